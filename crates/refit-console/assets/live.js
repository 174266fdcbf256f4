// What a page does while it is open: it takes in fragments that changed, says how fresh it is, and has a few keys.
// Everything can be read and done without this.
const body = document.body;
const freshness = document.getElementById("freshness");
const announce = document.getElementById("announce");
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
let source = null;
let heard = Date.now();
let last = "";

const local = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const exact = time.getAttribute("datetime");
    time.title = `${clock.format(new Date(exact))} (${exact})`;
  }
};

const say = (text, stale) => {
  if (freshness) freshness.textContent = text;
  document.getElementById("main").classList.toggle("stale", stale);
};

// A fragment in which somebody is at work keeps its elements; only its figures change.
const put = ({ id, html }) => {
  const old = document.getElementById(id);
  if (!old) return;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild;
  if (!fresh) return;
  local(fresh);
  if (!old.contains(document.activeElement)) {
    old.replaceWith(fresh);
    return;
  }
  const [from, to] = [fresh.querySelectorAll("[data-f]"), old.querySelectorAll("[data-f]")];
  if (from.length === to.length) to.forEach((at, i) => { at.textContent = from[i].textContent; });
};

const open = () => {
  if (source || !body.dataset.live) return;
  source = new EventSource(body.dataset.live);
  source.addEventListener("open", () => { heard = Date.now(); say("Live", false); });
  source.addEventListener("fragment", (event) => {
    heard = Date.now();
    put(JSON.parse(event.data));
    say("Live", false);
  });
  // Only what changes the picture is read out, not each tick of a counter.
  source.addEventListener("announce", (event) => {
    if (event.data !== last) announce.textContent = last = event.data;
  });
  source.addEventListener("error", () => {
    say(`Reconnecting. Figures as of ${clock.format(new Date(heard))}.`, true);
  });
};

const close = () => {
  source?.close();
  source = null;
};

// A browser allows few connections to one server: a page that nobody sees holds none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    close();
    say("Paused while not seen", true);
  } else {
    open();
  }
});

const keysOff = () => localStorage.getItem("refit-keys") === "off";
const places = { f: "/", r: "/rollouts", d: "/devices", e: "/releases", a: "/activity" };
let going = false;

const help = () => {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", "Keys");
  const list = [["/", "find a device"], ["g f", "fleet"], ["g r", "rollouts"], ["g d", "devices"], ["g e", "releases"], ["g a", "activity"], ["?", "this list"]];
  const table = document.createElement("table");
  for (const [key, what] of list) {
    const row = table.insertRow();
    row.insertCell().append(Object.assign(document.createElement("kbd"), { textContent: key }));
    row.insertCell().textContent = what;
  }
  const toggle = document.createElement("button");
  const label = () => { toggle.textContent = keysOff() ? "Switch keys on" : "Switch keys off"; };
  toggle.addEventListener("click", () => { localStorage.setItem("refit-keys", keysOff() ? "on" : "off"); label(); });
  label();
  const done = Object.assign(document.createElement("button"), { textContent: "Close" });
  done.addEventListener("click", () => dialog.close());
  dialog.append(table, toggle, " ", done);
  dialog.addEventListener("close", () => dialog.remove());
  body.append(dialog);
  dialog.showModal();
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") return help();
  if (keysOff()) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("find")?.focus();
  } else if (going && places[event.key]) {
    location.assign(places[event.key]);
  }
  going = event.key === "g";
});

local(document);
open();
