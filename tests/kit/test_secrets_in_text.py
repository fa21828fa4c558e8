"""Secrets in diffs and command lines: hidden, and code that only speaks of them left as it is."""

from __future__ import annotations

import pytest

from backend.kit.secrets_in_text import without_secrets

PART = (
    "abcd1234efgh5678ijkl9012"  # no secret of anybody; put together here so that no scanner takes it for one
)
HEX = "0123456789abcdef" * 2 + "01234567"  # of the length of W&B's


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('+API_KEY = "s3cr3t-value"', '+API_KEY = "***"'),
        ("+  'password': 'hunter22',", "+  'password': '***',"),
        ("+WANDB_API_KEY=0123456789abcdef", "+WANDB_API_KEY=***"),
        ("+  db_password: correct.horse", "+  db_password: ***"),
        ("url = postgresql://lab:pa55@db.example/etrm", "url = postgresql://***@db.example/etrm"),
        ("train.py --api-key 0a1b2c3d --lr 0.1", "train.py --api-key *** --lr 0.1"),
        ("train.py --token=0a1b2c3d", "train.py --token=***"),
        ("Authorization: Bearer etrm_0a1b2c3d4e", "Authorization: Bearer ***"),
        (f"login('hf_{PART}')", "login('***')"),
        (f"remote https://ghp_{PART}@github.example/a", "remote https://***@github.example/a"),
        (f'+os.environ["WANDB_API_KEY"] = "{HEX}"', '+os.environ["WANDB_API_KEY"] = "***"'),
        (f"+os.environ.setdefault('HF_TOKEN', '{PART}')", "+os.environ.setdefault('HF_TOKEN', '***')"),
        (f'+wandb.login(key="{HEX}")', '+wandb.login(key="***")'),
        (f'+login("{HEX}")', '+login("***")'),
        (f"+key = '{HEX}'", "+key = '***'"),
        (f'+    api_key: str | None = "{PART}"', '+    api_key: str | None = "***"'),
        (f"+wandb login --relogin {HEX}", "+wandb login --relogin ***"),
        (f"WANDB_API_KEY={HEX} python train.py", "WANDB_API_KEY=*** python train.py"),
        ("+docker run -e DB_PASSWORD=hunter22 lab", "+docker run -e DB_PASSWORD=*** lab"),
        (f"train.py wandb.api_key={HEX} lr=0.1", "train.py wandb.api_key=*** lr=0.1"),
        (
            f'+url = "https://a.example/x?access_token={PART}&b=1"',
            '+url = "https://a.example/x?access_token=***&b=1"',
        ),
        (f'+  "X-Api-Key": "{PART}"', '+  "X-Api-Key": "***"'),
        (f'+{{"Authorization": "Token {PART}"}}', '+{"Authorization": "Token ***"}'),
        (f"+https://hooks.slack.com/services/T01/B01/{PART}", "+https://hooks.slack.com/services/***"),
        (
            "+-----BEGIN RSA PRIVATE KEY-----\n+AAAA\n+BBBB\n+-----END RSA PRIVATE KEY-----",
            "+-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
        ),
    ],
)
def test_a_secret_is_hidden_and_counted(text: str, shown: str) -> None:
    assert without_secrets(text) == (shown, 1)


@pytest.mark.parametrize(
    "text",
    [
        "+token = tokens[0]",
        "+    tokens = vocabulary.encode(text)",
        '+token_loss = losses["token"]',
        "+def accuracy_per_token(logits, labels):",
        "+context_tokens: int = 16",
        "+https://example.org/password-reset",
        "+secret = read_secret(path)",
        "train.py --tokens-per-step 4096",
        '+tokenizer = "gpt2"',
        '+tokenizer.pad_token = "<pad>"',
        "+num_tokens: 1000000",
        '+masked = f"{token[:3]}****"',
        "+model(token=context_tokens_of_step_100())",
        '+cached(key="cross_sample_variance_at_step_100")',
        '+curl -H "Authorization: Bearer $ETRM_TOKEN"',
        "+ETRM_TOKEN=$SECRET_OF_THE_LAB etrm runs",
    ],
)
def test_code_that_only_speaks_of_them_stays(text: str) -> None:
    assert without_secrets(text) == (text, 0)


@pytest.mark.parametrize(
    "part",
    [
        "token", "--token", "a.b-", "-", "--a", "sk-", "eyJ-", " \n", "token   ", "token='", "a://b:",
        "-----BEGIN PRIVATE KEY-----", "-----END", "A_TOKEN=", "a_token=a1", "?a=", "?key=", "login(",
        "key   ", "token: a | None ", "wandb login ", "wandb login --a ", "setdefault('token' , ",
        "authorization:",
    ],
)  # fmt: skip
def test_a_long_line_takes_no_longer_than_many_short_ones(part: str) -> None:
    """In time that grows with the square of a text, or its cube, these would take minutes to days."""
    text = part * (2**18 // len(part))
    without_secrets(text)
    assert without_secrets(f"{text}\n+API_KEY = 's3cr3t-value'\n")[1] >= 1


def test_a_key_that_does_not_end_leaves_what_follows_as_it_is() -> None:
    text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    code = "if '-----BEGIN PRIVATE KEY-----' in text:\n"
    assert without_secrets(text + code) == (text.replace("\nAAAA\n", "***") + code, 1)
