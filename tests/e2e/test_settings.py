"""Settings in a real browser: let somebody in, see the lab as they do, take it back."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.lab import StartedLab


def test_share_links_are_seen_and_revoked_in_one_place(
    page: Page, context: BrowserContext, browser: Browser, lab: StartedLab
) -> None:
    slug = context.request.post("/api/v1/dashboards", data={"name": "for an advisor"}).json()["slug"]
    link = context.request.post(f"/api/v1/dashboards/{slug}/shares").json()
    stranger = browser.new_page()
    stranger.goto(link["url"])
    expect(stranger.get_by_role("heading", name="for an advisor")).to_be_visible()

    page.goto("/settings")
    row = page.locator("#shares").get_by_role("row", name="for an advisor")
    expect(row).to_contain_text("the owner")
    expect(row.get_by_role("cell").nth(3)).to_contain_text("just now")  # last opened
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    answer = stranger.goto(link["url"])
    assert answer
    assert answer.status == 404
    stranger.close()


def test_a_viewer_is_let_in_and_removed_and_a_token_is_made_and_revoked(
    page: Page, browser: Browser, lab: StartedLab
) -> None:
    page.goto("/settings")
    people = page.locator("#add-person")
    people.get_by_label("Name").fill("Grace")
    people.get_by_label("Role").select_option("viewer")
    people.get_by_role("button", name="Add person").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#invitation [data-secret]")).to_contain_text("/login?token=")
    link = page.locator("#invitation [data-secret]").inner_text()

    hers = browser.new_context(base_url=lab.url)
    visitor = hers.new_page()
    visitor.goto(link)
    expect(visitor.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(visitor.get_by_role("link", name="New run")).to_have_count(0)
    visitor.goto("/settings")
    expect(visitor.get_by_text("Logged in as Grace, viewer.")).to_be_visible()
    expect(visitor.locator("#people")).to_have_count(0)

    with page.expect_response("**/api/v1/people/**"):
        page.get_by_label("Role of Grace").select_option("editor")
    expect(page.get_by_label("Role of Grace")).to_have_value("editor")
    visitor.reload()
    expect(visitor.get_by_text("Logged in as Grace, editor.")).to_be_visible()

    tokens = page.locator("#add-token")
    tokens.get_by_label("Name").fill("for a script")
    tokens.get_by_label("Acts as").select_option("Grace")
    tokens.get_by_role("button", name="Create token").click()
    expect(page.locator("#secret [data-secret]")).to_contain_text("etrm_")
    page.get_by_role("row", name="for a script").get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="for a script")).to_contain_text("revoked")

    page.get_by_role("row", name="Grace").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#people")).to_contain_text("Only the owner")
    visitor.reload()
    expect(visitor.get_by_role("heading", name="Log in to ETRM Lab")).to_be_visible()
    hers.close()
