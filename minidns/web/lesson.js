// A lesson: its commands run on the page's cluster, and the server checks its answers.

const desk = $("#lesson");
let lesson = "";

/** Show the output of a command; nothing if it has none. */
function showLines(place, lines) {
  place.textContent = lines.join("\n");
  place.hidden = !lines.length;
}

/** Show a walk, if there is one, as the player does. */
function showWalk(html) {
  if (!html) return;
  box.innerHTML = html;
  player.load();
}

/** Show what has been run of the lesson, and its walk. */
function showResult({ outputs, walk, score }) {
  for (const [number, lines] of Object.entries(outputs)) {
    const command = desk.querySelector(`[data-step="${number}"]`);
    command.classList.add("done");
    showLines(command.querySelector(".out"), lines);
  }
  $("#score").textContent = score;
  showWalk(walk);
}

/** Carry out an action of the lesson; return its result. */
const act = async (name, fields) => JSON.parse(await send(`/do/${name}`, { id: lesson, ...fields }));

async function startLesson(name) {
  const begun = JSON.parse(await send("/do/lesson", { lesson: name }));
  lesson = begun.id;
  desk.innerHTML = begun.html;
  desk.hidden = false;
  document.body.classList.add("learning");
  box.replaceChildren();
  player.load();
  history.replaceState(null, "", `/?${new URLSearchParams({ token, lesson: name })}`);
  scrollTo(0, 0);
  desk.querySelector("h2").tabIndex = -1;
  desk.querySelector("h2").focus();
}

/** Close the lesson: the cluster is used for something else. */
function closeLesson() {
  lesson = "";
  desk.hidden = true;
  desk.replaceChildren();
  document.body.classList.remove("learning");
}

async function check(question, text) {
  const told = await act("answer", { step: Number(question.dataset.step), text });
  showResult(told);
  const line = question.querySelector(".told");
  line.textContent = told.text;
  line.className = `told ${told.right ? "good" : told.ends ? "" : "bad"}`;
  if (!told.ends) {
    showLines(question.querySelector(".out"), told.lines);
    return;
  }
  for (const part of question.querySelectorAll("label, button, .expected")) part.hidden = true;
}

for (const button of document.querySelectorAll("[data-lesson]")) {
  button.addEventListener("click", () => trying(() => startLesson(button.dataset.lesson)));
}
desk.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "leave") {
    trying(async () => {
      await act("leave", {});
      closeLesson();
      box.replaceChildren();
      player.load();
      history.replaceState(null, "", `/?${new URLSearchParams({ token })}`);
    });
  }
  if ("run" in button.dataset) {
    const step = Number(button.closest("[data-step]").dataset.step);
    trying(async () => showResult(await act("step", { step })));
  }
  if ("giveUp" in button.dataset) trying(() => check(button.closest("form"), "?"));
});
desk.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = event.target;
  trying(async () => {
    if (typed.id !== "try") return check(typed, typed.elements.text.value);
    const { lines, walk } = await act("try", { line: typed.elements.line.value });
    showLines($("#tried"), lines);
    showWalk(walk);
  });
});
