"use strict";
(() => {
  const one = (id) => document.getElementById(id);
  const { w, states } = JSON.parse(document.body.dataset.told);
  const control = "control" in document.body.dataset;
  const query = location.search;
  const SVG = "http://www.w3.org/2000/svg";
  const group = {
    failed: "failed", missing: "failed", open: "open", arrived: "there", ok: "there", unverified: "there",
    searching: "work", waiting: "work", downloading: "work", verifying: "work",
  };
  const WORK_MAX = 12;
  const FAILED_MAX = 200;

  let head = { state: "none", at: 0, ended: 0, total: 0, control: "", run: "", code: 0 };
  let models = new Map();
  let flows = new Map();
  let past = [];
  let step = 1;
  let rates = [];
  let rows = new Map();
  let flowItems = new Map();
  const changed = { models: new Set(), flows: new Set(), whole: false, past: false, lost: false };
  const asked = new Set();
  let said = "";
  let ready = false;
  let drawing = false;

  const fill = (text, ...values) => values.reduce((told, value, place) => told.replace(`%${place + 1}`, () => value), text);
  const make = (name, kind, text) => {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const put = (node, text) => {
    if (node.textContent !== text) node.textContent = text;
  };
  // Commands stand between backticks.
  const typed = (node, text) => {
    node.replaceChildren(...text.split("`").map((part, place) => (place % 2 ? make("code", "", part) : part)));
    return node;
  };
  const size = (count) => {
    if (count === null || count === undefined) return "";
    let value = count;
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (value < 1000) return `${value.toFixed(unit === "B" ? 0 : 1)} ${unit}`;
      value /= 1000;
    }
    return `${value.toFixed(1)} TB`;
  };
  const clock = (seconds) => {
    const whole = Math.max(0, Math.round(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    return whole >= 3600 ? `${Math.floor(whole / 3600)}:${rest}` : rest;
  };
  const running = () => head.state === "running";
  const elapsed = () => Math.max(0, (head.ended || Date.now() / 1000) - head.at);

  const rate = () => {
    const now = Math.floor(elapsed() / step);
    const count = Math.max(1, Math.round(5 / step));
    let sum = 0;
    for (let place = now - count; place < now; place += 1) sum += rates[place] || 0;
    return sum / count;
  };

  const counts = () => {
    const found = { failed: 0, work: 0, open: 0, there: 0 };
    let left = 0;
    for (const model of models.values()) {
      const kind = group[model.state] || "open";
      found[kind] += 1;
      if ((kind === "work" || kind === "open") && model.size) left += Math.max(0, model.size - model.arrived);
    }
    return { ...found, left };
  };

  const drawHead = () => {
    const found = counts();
    const title = models.size ? fill(w.of_models, found.there, models.size) : states[head.state];
    put(one("headline"), title);
    document.title = `comfyfix: ${title}`;
    const told = [];
    if (models.size || head.state !== "none") told.push(states[head.state]);
    if (running()) told.push(fill(w.since, clock(elapsed())));
    if (head.ended) told.push(fill(w.took, clock(elapsed())));
    if (head.state === "ended") told.push(fill(w.code, head.code));
    if (found.failed) told.push(fill(w.failed, found.failed));
    const speed = running() ? rate() : 0;
    if (speed && found.left) told.push(fill(w.left, clock(found.left / speed)));
    const course = one("course");
    if (head.state === "none" && !models.size) typed(course, w.start);
    else put(course, told.join(" · "));
    put(one("rate"), speed ? fill(w.rate, size(speed)) : "");
    const bar = one("bar");
    const parts = [["ok", found.there], ["work", found.work], ["failed", found.failed]];
    let begin = 0;
    bar.replaceChildren(
      ...parts.map(([kind, count]) => {
        const rect = document.createElementNS(SVG, "rect");
        const width = (100 * count) / (models.size || 1);
        for (const [name, value] of Object.entries({ class: kind, x: begin, y: 0, width, height: 2 })) rect.setAttribute(name, value);
        begin += width;
        return rect;
      }),
    );
    bar.setAttribute("aria-label", title);
    for (const chip of chips) put(chip.querySelector("b"), String(found[chip.dataset.chip]));
    const notice = changed.lost ? w.lost : said || (control && running() && !head.control ? w.no_control : "");
    put(one("notice"), notice);
    one("notice").hidden = !notice;
    if (control) one("stopping").hidden = !(running() && head.control);
  };

  const drawChart = () => {
    const across = Math.max(30, rates.length, Math.floor(elapsed() / step) + 1);
    const peak = Math.max(1, ...rates);
    const x = (place) => ((240 * place) / across).toFixed(2);
    const y = (value) => (58 - (54 * value) / peak).toFixed(2);
    let line = `M0 ${y(rates[0] || 0)}`;
    rates.forEach((value, place) => {
      line += `L${x(place)} ${y(value)}L${x(place + 1)} ${y(value)}`;
    });
    const chart = one("chart");
    if (!chart.firstChild) {
      for (const kind of ["area", "edge"]) {
        const path = document.createElementNS(SVG, "path");
        path.setAttribute("class", kind);
        chart.append(path);
      }
    }
    const [area, edge] = chart.children;
    edge.setAttribute("d", rates.length ? line : "");
    area.setAttribute("d", rates.length ? `${line}L${x(rates.length)} 58L0 58Z` : "");
    put(one("from"), "00:00");
    put(one("to"), clock(across * step));
    put(one("peak"), rates.length ? fill(w.peak, size(peak)) : "");
  };

  const keyed = (list, wanted, build, refresh) => {
    const known = new Map(Array.from(list.children).map((item) => [item.dataset.n, item]));
    wanted.forEach((model, place) => {
      const key = String(model.n);
      const item = known.get(key) || build(model);
      known.delete(key);
      item.dataset.n = key;
      refresh(item, model);
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
    });
    for (const item of known.values()) item.remove();
  };

  const drawWork = () => {
    const order = ["downloading", "verifying", "searching"];
    const busy = [...models.values()].filter((model) => order.includes(model.state));
    busy.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.n - b.n);
    one("idle").hidden = busy.length > 0;
    keyed(
      one("work"),
      busy.slice(0, WORK_MAX),
      () => {
        const item = make("li");
        const bar = make("progress");
        item.append(make("b"), make("span", "figures"), bar);
        return item;
      },
      (item, model) => {
        const [name, figures, bar] = item.children;
        put(name, model.name);
        const loads = model.state === "downloading";
        put(figures, loads ? (model.size ? fill(w.of_size, size(model.arrived), size(model.size)) : size(model.arrived)) : states[model.state]);
        bar.hidden = !loads;
        bar.setAttribute("aria-label", model.name);
        bar.max = model.size || 1;
        if (model.size) bar.value = Math.min(model.arrived, model.size);
        else bar.removeAttribute("value");
      },
    );
  };

  const drawChoices = (place, model, can) => {
    place.replaceChildren();
    const found = model.choices || [];
    if (!found.length) return;
    const list = make("ol", "choices");
    for (const choice of found) {
      const item = make("li");
      item.append(make("b", "", choice.where), " ", make("span", "", choice.about));
      if (choice.page) {
        const link = make("a", "", w.page);
        link.href = choice.page;
        link.rel = "noreferrer noopener";
        link.target = "_blank";
        link.setAttribute("aria-label", `${w.page}: ${choice.where}`);
        item.append(" ", link);
      }
      if (can) {
        const take = make("button", "take", w.choose);
        take.type = "button";
        take.setAttribute("aria-label", `${w.choose}: ${choice.where}`);
        take.addEventListener("click", () => order("choose", model.n, choice.url));
        item.append(" ", take);
      }
      list.append(item);
    }
    place.append(make("p", "next", fill(w.choices, found.length)), list);
  };

  const drawFailed = () => {
    const bad = [...models.values()].filter((model) => model.state === "failed").slice(0, FAILED_MAX);
    one("no-failures").hidden = bad.length > 0;
    keyed(
      one("failed"),
      bad,
      () => {
        const item = make("li");
        item.append(make("b"), " ", make("small"), make("p", "why"), make("p", "next"), make("p", "next"), make("div"));
        if (control) {
          const again = make("button", "again", w.again);
          again.type = "button";
          again.addEventListener("click", () => order("retry", Number(item.dataset.n)));
          item.append(again);
        }
        return item;
      },
      (item, model) => {
        const [name, folder, why, next, hand, choices] = item.children;
        put(name, model.name);
        put(folder, model.folder);
        put(why, model.why);
        const count = (model.choices || []).length;
        const told = `${model.next}|${model.task}|${head.state}|${asked.has(model.n)}|${count}`;
        if (item.dataset.told === told) return;
        item.dataset.told = told;
        typed(next, model.next ? `${w.next} ${model.next}` : "");
        const can = control && running() && head.control;
        const words = asked.has(model.n) ? w.asked : can || running() || !model.task ? "" : fill(w.by_hand, `comfyfix ${model.task}`);
        typed(hand, words);
        drawChoices(choices, model, can && !asked.has(model.n));
        if (control) item.querySelector(".again").hidden = !can || asked.has(model.n);
      },
    );
  };

  const drawFlows = () => {
    const all = [...flows.values()];
    const done = all.filter((flow) => flow.state === "ready" || flow.state === "complete").length;
    const known = all.some((flow) => flow.state === "ready" || flow.state === "not ready");
    put(one("ready"), all.length ? fill(running() || !known ? w.complete : w.ready, done, all.length) : "");
    one("no-flows").hidden = all.length > 0;
    const list = one("flow-list");
    list.hidden = all.length === 0;
    for (const n of changed.flows) {
      const flow = flows.get(n);
      let item = flowItems.get(n);
      if (!item) {
        item = make("li");
        item.append(make("span"), make("b"), " ", make("small"));
        flowItems.set(n, item);
        list.append(item);
      }
      const [state, name, there] = item.children;
      state.className = `state ${flow.state}`;
      put(state, states[flow.state]);
      put(name, flow.name);
      put(there, flow.needs ? fill(w.there, flow.there, flow.needs) : w.no_models);
    }
    changed.flows.clear();
  };

  const chips = Array.from(document.querySelectorAll("[data-chip]"));
  const search = one("query");
  let filters = false;
  const fits = (entry) => {
    const { model } = entry;
    if (!chips.find((chip) => chip.dataset.chip === group[model.state])?.ariaPressed.includes("true")) return false;
    return search.value.toLowerCase().split(/\s+/).every((word) => `${model.name} ${model.folder} ${model.why}`.toLowerCase().includes(word));
  };
  const show = () => {
    filters = search.value.trim() !== "" || chips.some((chip) => chip.ariaPressed !== "true");
    let count = 0;
    for (const entry of rows.values()) {
      const shown = !filters || fits(entry);
      if (entry.row.hidden === shown) entry.row.hidden = !shown;
      count += shown;
    }
    put(one("shown"), fill(w.shown, count, rows.size));
    one("none").hidden = count > 0 || rows.size === 0;
    one("all").hidden = !filters;
  };

  const drawRows = () => {
    const fresh = document.createDocumentFragment();
    for (const n of changed.models) {
      const model = models.get(n);
      let entry = rows.get(n);
      if (!entry) {
        const row = make("tr");
        const state = make("td");
        const name = make("td", "name");
        state.append(make("span"));
        name.append(make("b"), " ", make("small"));
        row.append(state, name, make("td", "batch"), make("td", "figures"), make("td", "any"));
        entry = { row, model };
        rows.set(n, entry);
        fresh.append(row);
      }
      entry.model = model;
      const [state, name, batch, figures, news] = entry.row.children;
      const kind = `state ${model.state}`;
      if (state.firstChild.className !== kind) state.firstChild.className = kind;
      put(state.firstChild, states[model.state]);
      put(name.children[0], model.name);
      put(name.children[1], model.folder);
      put(batch, model.batch ? String(model.batch).padStart(3, "0") : "");
      put(figures, model.state === "downloading" && model.size ? fill(w.of_size, size(model.arrived), size(model.size)) : size(model.size));
      put(news, model.why || model.said);
    }
    one("rows").append(fresh);
    changed.models.clear();
    show();
  };

  const drawPast = () => {
    one("no-past").hidden = past.length > 0;
    one("past-list").replaceChildren(
      ...past.map((run) => {
        const item = make("li");
        const when = make("time", "", new Date(run.at * 1000).toLocaleString());
        const told = [fill(w.of_models, run.done, run.total)];
        if (run.failed) told.push(fill(w.failed, run.failed));
        if (run.seconds) told.push(fill(w.took, clock(run.seconds)));
        if (run.stopped) told.push(w.stopped);
        else if (run.code === null) told.push(w.without_end);
        item.append(when, ` · ${told.join(" · ")}`);
        return item;
      }),
    );
  };

  const draw = () => {
    drawing = false;
    if (changed.whole) {
      rows.clear();
      flowItems.clear();
      one("rows").replaceChildren();
      one("flow-list").replaceChildren();
      changed.whole = false;
    }
    if (changed.models.size || !ready) {
      drawRows();
      drawWork();
      drawFailed();
    }
    if (changed.flows.size || !ready) drawFlows();
    if (changed.past) drawPast();
    changed.past = false;
    drawHead();
    drawChart();
    if (!ready) performance.mark("ready");
    ready = true;
  };
  const soon = () => {
    if (!drawing) requestAnimationFrame(draw);
    drawing = true;
  };

  const take = (told) => {
    if (told.whole) {
      models = new Map();
      flows = new Map();
      past = told.past || [];
      asked.clear();
      said = "";
      rates = [];
      for (const kind of ["models", "flows"]) changed[kind].clear();
      changed.whole = changed.past = true;
      ready = false;
    }
    if (told.head) {
      if (told.head.state !== head.state) for (const item of one("failed").children) delete item.dataset.told;
      head = { at: 0, ended: 0, total: 0, control: "", run: "", code: 0, ...told.head };
      if (!running()) {
        said = "";
        settle();
        for (const model of models.values()) if (model.state === "failed") changed.models.add(model.n);
      }
    }
    for (const model of told.models || []) {
      models.set(model.n, model);
      changed.models.add(model.n);
    }
    for (const flow of told.flows || []) {
      flows.set(flow.n, flow);
      changed.flows.add(flow.n);
    }
    if (told.rates) {
      rates = told.rates;
      step = told.step;
    }
    soon();
  };

  const order = async (what, n, url) => {
    const answer = await fetch(`control${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ do: what, run: head.run, n, url }),
    }).catch(() => null);
    const { wrong } = answer ? await answer.json().catch(() => ({ wrong: w.lost })) : { wrong: w.lost };
    said = wrong || (what === "stop" ? w.stopping : "");
    if (!wrong && what !== "stop") {
      asked.add(n);
      changed.models.add(n);
    }
    soon();
  };
  const settle = () => {
    if (!control) return;
    one("stop").hidden = false;
    one("sure").hidden = one("keep").hidden = true;
  };
  if (control) {
    one("stop").addEventListener("click", () => {
      one("stop").hidden = true;
      one("sure").hidden = one("keep").hidden = false;
      one("keep").focus();
    });
    one("keep").addEventListener("click", () => {
      settle();
      one("stop").focus();
    });
    one("sure").addEventListener("click", () => {
      settle();
      order("stop");
    });
  }

  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", show);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      show();
    });
  }
  const reset = () => {
    search.value = "";
    for (const chip of chips) chip.ariaPressed = "true";
    show();
  };
  one("all").addEventListener("click", reset);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") reset();
    if (event.key !== "/" || event.target === search || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    search.focus();
  });

  const source = new EventSource(`events${query}`);
  source.addEventListener("message", (event) => take(JSON.parse(event.data)));
  source.addEventListener("open", () => {
    changed.lost = false;
    soon();
  });
  source.addEventListener("error", () => {
    changed.lost = true;
    soon();
  });
  setInterval(() => {
    if (running()) soon();
  }, 1000);
})();
