// What changes while the page is open: queries, faults, experiments, a trial.

const MOST_ROWS = 1000;
const PER_FRAME = 50;
/** Rows that fit into the list; they are drawn also while it is out of sight, for a capture of the whole page. */
const NEAR = 13;
const COLUMNS = ["at", "pod", "node", "name", "type", "result", "ms", "by"];
let rows = [], fresh = [], painting = 0, active = [], run = "";

const faultWords = () => active.map((each) => each.fault);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp(faultWords());
});

// -- the list of queries

const body = $("#stream tbody"), filter = $("#filter");
const matches = (row) => row.text.includes(filter.value.toLowerCase());

function cells(row) {
  const line = document.createElement("tr");
  if (row.result !== "NOERROR") line.className = "other";
  for (const column of COLUMNS) line.insertCell().textContent = row[column];
  return line;
}

function paint() {
  painting = 0;
  const lines = document.createDocumentFragment();
  for (const row of fresh.splice(0, PER_FRAME)) if (matches(row)) lines.prepend(cells(row));
  body.prepend(lines);
  while (body.rows.length > MOST_ROWS) body.lastChild.remove();
  markNear();
  count();
  if (fresh.length) painting = requestAnimationFrame(paint);
}

/** Mark the rows that fit into the list; those of the frame before may be below them now. */
function markNear() {
  let row = body.firstElementChild;
  for (let at = 0; row && at < NEAR + PER_FRAME; at += 1, row = row.nextElementSibling) {
    row.classList.toggle("near", at < NEAR);
  }
}

function count() {
  const shown = body.rows.length;
  $("#count").textContent = filter.value ? `${shown} of the last ${rows.length}` : `the last ${rows.length}`;
}

function add(more) {
  for (const row of more) {
    row.text = COLUMNS.map((column) => row[column]).join(" ").toLowerCase();
    rows.push(row);
    fresh.push(row);
  }
  rows = rows.slice(-MOST_ROWS);
  painting ||= requestAnimationFrame(paint);
}

filter.addEventListener("input", () => {
  fresh = [];
  body.replaceChildren(...rows.filter(matches).reverse().map(cells));
  markNear();
  count();
});
$("#burst")?.addEventListener("click", () => trying(() => send("/do/lookups", { count: 1000 })));

// -- faults and experiments

const switches = [...document.querySelectorAll("[data-fault]")];
const rate = $("#rate");
const wordsOf = (box) => box.dataset.fault.replace("RATE", rate.value);

/** Look the name up again: the fault has changed. */
const change = (name, words) => trying(async () => {
  showFaults(JSON.parse(await send(`/do/${name}`, { words })).faults);
  if (form.elements.name.value) await lookUp(faultWords());
});

for (const box of switches) {
  box.addEventListener("change", () => change(box.checked ? "add" : "clear", box.checked ? wordsOf(box) : box.dataset.on));
}
$("#own-fault")?.addEventListener("submit", (event) => {
  event.preventDefault();
  change("add", event.target.elements.words.value);
});
$("#clear")?.addEventListener("click", () => change("clear", ""));

function showFaults(faults) {
  active = faults;
  const list = $("#active");
  if (!list) return;
  list.replaceChildren(...faults.map(({ fault, hits }) => {
    const item = document.createElement("li");
    item.textContent = hits === null ? fault : `${fault}: struck ${hits} times`;
    return item;
  }));
  for (const box of switches) {
    const pattern = box.dataset.fault.split("RATE");
    const on = faultWords().find((words) => words.startsWith(pattern[0]) && words.endsWith(pattern.at(-1)));
    box.checked = on !== undefined;
    box.dataset.on = on ?? "";
  }
}

for (const button of document.querySelectorAll("[data-experiment]")) {
  button.addEventListener("click", () => trying(async () => {
    closeLesson();
    const begun = JSON.parse(await send("/do/experiment", { id: button.dataset.experiment }));
    showFaults(begun.faults);
    fill(begun.asked);
    $("#watch").textContent = begun.watch;
    await lookUp(faultWords());
  }));
}

// -- a trial

$("#trial")?.addEventListener("submit", (event) => {
  event.preventDefault();
  trying(() => send("/do/trial", Object.fromEntries(new FormData(event.target))));
});

function showTrial({ said, odds }) {
  if (!$("#trial")) return;
  $("#verdict").textContent = said;
  $("#odds").replaceChildren(...odds.map(([suspect, share]) => {
    const item = document.createElement("li"), bar = document.createElement("span"), per = document.createElement("span");
    bar.className = "bar";
    bar.style.width = `${Math.max(share * 100, 0.5)}%`;
    per.textContent = `${(share * 100).toFixed(1)} %`;
    item.append(suspect, bar, per);
    return item;
  }));
}

// -- the connection

const connection = $("#connection");
function connected(text, lost) {
  connection.textContent = text;
  connection.classList.toggle("lost", lost);
}

function hello(id) {
  if (run && run !== id) {
    rows = [];
    fresh = [];
    body.replaceChildren();
    count();
  }
  connected(run && run !== id ? "connected again: the server was restarted" : "connected", false);
  run = id;
}

function showPods(pods) {
  const select = form.elements.pod, chosen = select.value;
  select.replaceChildren(...pods.map((pod) => new Option(pod, pod)));
  if (pods.includes(chosen)) select.value = chosen;
}

function showSource(text) {
  $("#source").textContent = text;
}

const SHOW = { lesson: showLesson, hello, queries: add, faults: showFaults, trial: showTrial, pods: showPods, source: showSource };
let pause = 500;
function listen() {
  const events = new EventSource(`/events?token=${encodeURIComponent(token)}`);
  for (const [name, show] of Object.entries(SHOW)) {
    events.addEventListener(name, (event) => show(JSON.parse(event.data)));
  }
  events.addEventListener("open", () => { pause = 500; });
  events.addEventListener("error", async () => {
    events.close();
    setTimeout(listen, pause);
    pause = Math.min(pause * 2, 5000);
    try {
      await send("/hello");
    } catch (error) {
      connected(error.message, true);
    }
  });
}
listen();
