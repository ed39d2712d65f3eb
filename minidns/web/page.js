// The form and the player. The server renders the walk; this shows it step by step.

const query = new URLSearchParams(location.search);
const token = query.get("token") ?? "";
const $ = (selector) => document.querySelector(selector);
const form = $("#ask"), box = $("#walk"), wrong = $("#wrong");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Send a request with the token; throws an Error with the one line of a refusal. */
async function send(path, document_) {
  const options = { headers: { Authorization: `Bearer ${token}` } };
  if (document_ !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(document_);
  }
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer: it was stopped, or it starts again.");
  }
  const text = await reply.text();
  if (!reply.ok) throw new Error(text);
  return text;
}

/** Do something, and show why it failed if it does. */
async function trying(work) {
  wrong.textContent = "";
  try {
    return await work();
  } catch (error) {
    wrong.textContent = error.message;
  }
}

// -- the player

/** Whether a step of a part of the walk has been shown. */
const begun = (part) => part.querySelector(".step:not(.later)");

const player = {
  steps: [],
  at: 0,
  timer: 0,

  load() {
    this.steps = [...box.querySelectorAll(".step")];
    const key = (step) => Number(step.dataset.ms);
    this.steps.sort((a, b) => key(a) - key(b) || a.dataset.n - b.dataset.n);
    $("#player").hidden = !this.steps.length;
    $("#place").max = Math.max(this.steps.length - 1, 0);
    if (!this.steps.length) return;
    if (calm.matches) this.show(this.steps.length - 1);
    else this.play(0);
  },

  show(place) {
    this.at = Math.min(Math.max(place, 0), this.steps.length - 1);
    const lit = {};
    this.steps.forEach((step, index) => {
      step.classList.toggle("later", index > this.at);
      step.removeAttribute("aria-current");
      if (index <= this.at) lit[step.dataset.side] = step.dataset.at;
    });
    for (const side of box.querySelectorAll(".side")) {
      side.querySelector(".path").dataset.at = lit[side.dataset.side] ?? "";
      const rounds = [...side.querySelectorAll(".round")].filter((round) => begun(round));
      for (const lane of side.querySelectorAll(".lane")) {
        lane.classList.toggle("later", !lane.querySelector(".step:not(.later)"));
        lane.open = rounds.at(-1)?.contains(lane) ?? false;
        lane.querySelector(".came").hidden = lane.querySelector(".step.later");
      }
      for (const round of side.querySelectorAll(".round")) round.classList.toggle("later", !begun(round));
      side.querySelector(".outcome").classList.toggle("later", !!side.querySelector(".result.later"));
    }
    const step = this.steps[this.at];
    step.setAttribute("aria-current", "step");
    $("#place").value = this.at;
    const words = [step.querySelector("b"), step.querySelector(".says")].map((part) => part.textContent);
    const service = step.closest(".side").querySelector("h2").firstChild.textContent.trim();
    $("#now").textContent = `${step.querySelector(".ms").textContent} ${service}: ${words.join(" ")}`;
    $("#place").setAttribute("aria-valuetext", $("#now").textContent);
  },

  play(from) {
    this.stop();
    if (from !== undefined) this.show(from);
    const pace = Number($("#pace").value);
    const wait = this.steps[this.at].classList.contains("timeout") ? pace * 2 : pace;
    $("[data-do=play]").textContent = "Pause";
    this.timer = setTimeout(() => {
      if (this.at >= this.steps.length - 1) return this.stop();
      this.show(this.at + 1);
      const step = this.steps[this.at];
      if (innerWidth > 900 && !$("#stream").contains(document.activeElement)) step.scrollIntoView({ block: "nearest" });
      this.play();
    }, wait);
  },

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
    $("[data-do=play]").textContent = "Play";
  },

  do(what) {
    if (!this.steps.length) return;
    const last = this.steps.length - 1;
    if (what === "play") {
      if (this.timer) return this.stop();
      return this.play(this.at >= last ? 0 : this.at);
    }
    if (what === "restart") return this.play(0);
    this.stop();
    this.show({ back: this.at - 1, next: this.at + 1, end: last }[what]);
  },
};

for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => player.do(button.dataset.do));
}
box.addEventListener("click", (event) => {
  const step = event.target.closest(".step");
  if (!step || event.target.closest("summary, table")) return;
  player.stop();
  player.show(player.steps.indexOf(step));
});
$("#place").addEventListener("input", () => {
  player.stop();
  player.show(Number($("#place").value));
});
const KEYS = { " ": "play", ArrowLeft: "back", ArrowRight: "next", Home: "restart", End: "end" };
addEventListener("keydown", (event) => {
  const busy = event.target.closest("input, select, textarea, button, summary, .scroll");
  if (busy || event.altKey || event.ctrlKey || event.metaKey || !(event.key in KEYS)) return;
  event.preventDefault();
  player.do(KEYS[event.key]);
});

// -- the form, and its permalink

/** Return the part of the address that says what is asked, with the active faults. */
function link(faults) {
  const fields = new URLSearchParams(new FormData(form));
  for (const fault of faults ?? []) fields.append("fault", fault);
  return `/walk?${fields}`;
}

async function lookUp(faults) {
  const path = link(faults);
  history.replaceState(null, "", path);
  box.setAttribute("aria-busy", "true");
  await trying(async () => {
    box.innerHTML = await send(`${path}&part=walk`);
    player.load();
  });
  box.removeAttribute("aria-busy");
}

/** Put a lookup into the form. */
function fill(asked) {
  for (const [name, value] of Object.entries(asked)) form.elements[name].value = value;
}

document.body.classList.add("live");
if (box.querySelector(".step")) player.load();
