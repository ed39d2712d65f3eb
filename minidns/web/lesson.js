// A lesson: its commands run on the page's cluster, and the server checks its answers.

const desk = $("#lesson");
let lesson = "";
let wanted = query.get("lesson");
/** Whether the page was opened with a lookup that the server could not make. */
const refused = location.pathname === "/walk" && wrong.textContent ? location.href : "";

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

/** Show the panel of the lesson that the cluster is used for, in all open pages. */
function openLesson(begun) {
  if (begun.id === lesson) return;
  lesson = begun.id;
  desk.innerHTML = begun.html;
  desk.hidden = false;
  document.body.classList.add("learning");
}

/** Hide what is asked of a question that is over. */
function endQuestion(question) {
  for (const part of question.querySelectorAll("label, button, .expected")) part.hidden = true;
}

/** Show the lesson that is running, or none; start that of a permalink. */
function showLesson(running) {
  const name = wanted;
  wanted = "";
  if (name && running?.lesson !== name) {
    trying(() => startLesson(name));
  } else if (!running) {
    closeLesson();
  } else if (running.id !== lesson) {
    openLesson(running);
    showResult(running);
    for (const step of running.over) endQuestion(desk.querySelector(`[data-step="${step}"]`));
  }
}

async function startLesson(name) {
  const begun = JSON.parse(await send("/do/lesson", { lesson: name }));
  openLesson(begun);
  box.replaceChildren();
  player.load();
  history.replaceState(null, "", `/?${new URLSearchParams({ token, lesson: name })}`);
  scrollTo(0, 0);
  desk.querySelector("h2").tabIndex = -1;
  desk.querySelector("h2").focus();
}

/** Close the lesson: the cluster is used for something else. */
function closeLesson() {
  if (lesson && refused === location.href) location.reload();
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
  endQuestion(question);
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
      if (refused === location.href) return;
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
