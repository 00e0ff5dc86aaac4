"use strict";
const PAGE = 100;
const search = document.getElementById("search");
const boxes = [...document.querySelectorAll("input[name=severity]")];

function element(tag, name, text) {
  const node = document.createElement(tag);
  node.className = name;
  node.textContent = text;
  return node;
}

function line([place, message, related, evidence]) {
  const item = document.createElement("li");
  item.append(element("span", "place", place), element("span", "message", message));
  if (related) item.append(element("span", "beside", "see " + related));
  if (evidence) item.append(element("span", "beside", evidence));
  return item;
}

class Rule {
  constructor(node) {
    this.node = node;
    this.list = node.querySelector(".findings");
    this.more = node.querySelector(".more");
    this.total = node.querySelector(".total");
    this.parsed = null;
    this.word = "";
    node.addEventListener("toggle", () => this.draw());
    this.more.addEventListener("click", () => this.add());
  }
  get rows() {
    this.parsed ??= JSON.parse(this.node.querySelector("script").textContent);
    return this.parsed;
  }
  filter(word, severities) {
    this.word = this.node.dataset.name.toLowerCase().includes(word) ? "" : word;
    const shown = severities.has(this.node.dataset.severity) && (!this.word || this.matching().length > 0);
    this.node.hidden = !shown;
    this.draw();
    return shown ? (word ? this.matching().length : this.rows.length) : 0;
  }
  matching() {
    return this.word
      ? this.rows.filter((row) => row.some((text) => text.toLowerCase().includes(this.word)))
      : this.rows;
  }
  draw() {
    this.list.replaceChildren();
    if (this.node.open && !this.node.hidden) this.add();
  }
  add() {
    const rows = this.matching();
    const from = this.list.children.length;
    this.list.append(...rows.slice(from, from + PAGE).map(line));
    const left = rows.length - this.list.children.length;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show ${Math.min(left, PAGE)} more of ${left.toLocaleString("en")}`;
    this.total.textContent = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "finding" : "findings"}`;
  }
}

const rules = [...document.querySelectorAll(".rule")].map((node) => new Rule(node));

function apply() {
  const word = search.value.trim().toLowerCase();
  const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const all = boxes.every((box) => box.checked);
  const found = rules.reduce((sum, rule) => sum + rule.filter(word, severities), 0);
  document.getElementById("matches").textContent = word || !all ? `${found.toLocaleString("en")} ${found === 1 ? "finding matches" : "findings match"}` : "";
  document.getElementById("nothing").hidden = found > 0;
}

if (search) {
  let waiting;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 150); });
  boxes.forEach((box) => box.addEventListener("change", apply));
}
