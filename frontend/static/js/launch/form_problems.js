// What is wrong with the form: beside the fields, and in the note above them.

/** Show the problems of one field, or take them away. */
export function showProblem(field, problems) {
  const note = field.querySelector(".problem");
  note.textContent = problems.map((problem) => `${problem.message} ${problem.hint}`).join(" ");
  note.hidden = !problems.length;
  for (const input of field.querySelectorAll("[data-type]")) {
    if (!problems.length) input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
    const notes = new Set((input.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
    notes.delete(note.id);
    input.setAttribute("aria-describedby", [...(problems.length ? [note.id] : []), ...notes].join(" "));
  }
}

/** The note above the form: how many problems there are, and those that stand beside no field. */
export function listProblems(note, number, listed) {
  note.hidden = number === 0;
  note.querySelector("b").textContent = number === 1 ? "1 problem." : `${number} problems.`;
  note.querySelector(".problem-list").replaceChildren(...listed.map(item));
}

function item(problem) {
  const line = document.createElement("li");
  if (problem.field) line.append(Object.assign(document.createElement("code"), { textContent: problem.field }), " ");
  line.append(`${problem.message} ${problem.hint}`);
  return line;
}
