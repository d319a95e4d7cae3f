/* The page of the theory in the browser: controls that move together, one question at a time, answers in their order,
   and the link.  Numbers are computed by the server; nothing here knows the theory. */
window.dash_clientside = window.dash_clientside || {};
(function () {
  "use strict";
  const SETTLED = 600; // milliseconds without a change, or a slider held, after which the full answer is asked for
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const nothing = () => window.dash_clientside.no_update;
  const isNumber = (text) => String(text).trim() !== "" && Number.isFinite(Number(text));
  const shorten = (value) => String(Number(value.toPrecision(3)));

  /* ---- controls that move together ---- */

  function place(control, text) { // of a slider, for what the box says
    if (!isNumber(text)) return null;
    const value = control.log ? Math.log10(Number(text)) : Number(text);
    return Number.isNaN(value) ? null : Math.min(control.high, Math.max(control.low, value));
  }

  const textAt = (control, slider) => shorten(control.log ? 10 ** Number(slider) : Number(slider));

  function rulePlaced(setup, kind, number) {
    const slider = setup.sliders[kind];
    if (!slider) return { "theory-rule-slider.className": "slide out" };
    const [low, high, step] = slider;
    const at = place({ low, high }, number);
    return {
      "theory-rule-slider.className": "slide",
      "theory-rule-slider.min": low,
      "theory-rule-slider.max": high,
      "theory-rule-slider.step": step,
      ...(at === null ? {} : { "theory-rule-slider.value": at }),
    };
  }

  function fromLink(setup, search) { // what all controls are in a link
    const query = new URLSearchParams(search), values = {};
    const text = (name) => query.get(name) ?? setup.defaults[name];
    for (const control of setup.numbers) values[`theory-${control.name}.value`] = text(control.name);
    const [plain, power] = text("rule").split("+weighted");
    const at = plain.indexOf("@");
    values["theory-rule-kind.value"] = at < 0 ? plain : plain.slice(0, at);
    values["theory-rule-number.value"] = at < 0 ? "" : plain.slice(at + 1);
    values["theory-rule-power.value"] = power === undefined ? "" : power.replace(/^@/, "") || "1";
    values["theory-student.value"] = text("student");
    const view = query.get("view");
    values["theory-view.value"] = setup.views.includes(view) ? view : setup.views[0];
    for (const [name, usual] of Object.entries(setup.simulation)) values[`theory-${name}.value`] = query.get(name) ?? usual;
    return values;
  }

  function fromClick(view, clicked) { // where a click on a picture goes
    const point = clicked.points[0];
    if (view === "curves") return { alpha_tot: point.x };
    if (view === "phase_diagram") return { alpha_tot: point.x, f: point.y };
    return {};
  }

  function change(...given) {
    const context = window.dash_clientside.callback_context, setup = given[given.length - 1];
    const now = { ...context.inputs }, moved = {};
    const triggers = context.triggered.map((each) => each.prop_id);
    const set = (values) => Object.assign(moved, values) && Object.assign(now, values);
    if (triggers.includes("theory-visited.data")) set(fromLink(setup, now["theory-visited.data"].search));
    if (triggers.includes("theory-graph.clickData") && now["theory-graph.clickData"]) {
      const to = fromClick(now["theory-view.value"], now["theory-graph.clickData"]);
      if (now["theory-view.value"] === "frontier") {
        const f = Number(now["theory-f.value"]);
        if (f > 0) to.alpha_tot = now["theory-graph.clickData"].points[0].x / f;
      }
      for (const [name, value] of Object.entries(to)) set({ [`theory-${name}.value`]: shorten(value) });
    }
    for (const control of setup.numbers) {
      const box = `theory-${control.name}.value`, slider = `theory-${control.name}-slider.value`;
      const at = place(control, now[box]);
      const slid = triggers.includes(slider) && (at === null || Math.abs(at - Number(now[slider])) > control.step / 2);
      if (slid) set({ [box]: textAt(control, now[slider]) });
      else if (at !== null && at !== Number(now[slider])) set({ [slider]: at });
    }
    const kind = now["theory-rule-kind.value"] ?? "", about = setup.kinds[kind] || { hint: "" };
    if (triggers.includes("theory-rule-kind.value") && about.hint) set({ "theory-rule-number.value": about.usual });
    if (triggers.includes("theory-rule-slider.value") && setup.sliders[kind]) {
      const [low, high, step] = setup.sliders[kind], at = place({ low, high }, now["theory-rule-number.value"]);
      if (at === null || Math.abs(at - Number(now["theory-rule-slider.value"])) > step / 2)
        set({ "theory-rule-number.value": shorten(Number(now["theory-rule-slider.value"])) });
    }
    set(rulePlaced(setup, kind, now["theory-rule-number.value"]));
    const student = now["theory-student.value"];
    set({
      "theory-rule-label.children": about.hint,
      "theory-rule-parameter.hidden": !about.hint,
      "theory-rule-weights.hidden": student === "max-margin" && !String(now["theory-rule-power.value"] ?? "").trim(),
      "theory-lam-part.hidden": student === "max-margin",
    });
    const texts = {}, power = String(now["theory-rule-power.value"] ?? "").trim();
    for (const control of setup.numbers) texts[control.name] = String(now[`theory-${control.name}.value`] ?? "");
    if (student === "max-margin" && !isNumber(texts.lam)) texts.lam = setup.defaults.lam; // nobody sees it
    texts.student = student;
    const number = String(now["theory-rule-number.value"] ?? "").trim();
    texts.rule = (about.hint || !setup.kinds[kind]) && (about.hint || number) ? `${kind}@${number}` : `${kind}`;
    if (power) texts.rule += `+weighted@${power}`;
    const simulation = {};
    for (const name of Object.keys(setup.simulation)) simulation[name] = String(now[`theory-${name}.value`] ?? "");
    moved["theory-state.data"] = { texts, view: now["theory-view.value"], simulation };
    for (const control of setup.numbers) describe(`theory-${control.name}`, now[`theory-${control.name}.value`]);
    describe("theory-rule-number", now["theory-rule-number.value"], "theory-rule-slider");
    return setup.outputs.map((name) => (name in moved ? moved[name] : nothing()));
  }

  function describe(box, text, slider = `${box}-slider`) { // what readers of screens say of a slider
    const element = document.getElementById(slider), label = document.querySelector(`label[for="${box}"]`);
    if (!element) return;
    element.setAttribute("aria-valuetext", String(text));
    if (label) element.setAttribute("aria-label", label.textContent);
  }

  /* ---- one question at a time, and answers in their order ---- */

  const busy = { quick: false, full: false }, pending = { quick: false, full: false };
  let latest = null, rank = 0, shown = -1, settling = null, owed = false, answeredRank = -1, held = false;

  function send(detail) {
    busy[detail] = true;
    pending[detail] = false;
    window.dash_clientside.set_props(`theory-asked-${detail}`, { data: { ...latest, rank, detail } });
  }

  function request(detail) {
    if (busy[detail]) pending[detail] = true; // the newest is asked when the answer is here
    else send(detail);
  }

  function ask(state, points) {
    if (!state) return;
    const asked = { texts: state.texts, view: state.view, points: points || [] };
    simulation = state.simulation;
    if (latest && same(asked, latest)) {
      settle();
      return;
    }
    latest = asked;
    rank += 1;
    owed = false;
    clearTimeout(settling);
    for (const name of ["theory-point", "theory-panel"]) document.getElementById(name)?.setAttribute("aria-busy", "true");
    request("quick");
  }

  function settle(full = false) {
    clearTimeout(settling);
    const at = rank;
    owed = owed || full;
    settling = setTimeout(() => {
      if (at !== rank || held) return; // a slider let go asks again
      if (owed) request("full");
      owed = false;
      if (answeredRank === rank) writeLink();
    }, SETTLED);
  }

  window.addEventListener("pointerdown", (event) => { held = event.target?.type === "range"; }, true);
  for (const end of ["pointerup", "pointercancel", "blur"])
    window.addEventListener(end, () => {
      if (held && latest) settle();
      held = false;
    }); // of the window alone: a box loses the focus where a slider is taken hold of

  function release() {
    busy.quick = busy.full = false;
  }

  function show(quick, full, setup) {
    const arrived = { quick, full }, orderOf = (name) => 2 * arrived[name].rank + (name === "full" ? 1 : 0);
    const triggers = window.dash_clientside.callback_context.triggered.map((each) => each.prop_id);
    const here = ["quick", "full"].filter((name) => triggers.includes(`theory-arrived-${name}.data`)); // perhaps both
    for (const name of here) {
      busy[name] = false;
      if (pending[name]) setTimeout(() => request(name), 0); // not from within a callback
    }
    const detail = here.sort((one, other) => orderOf(other) - orderOf(one))[0], answer = arrived[detail], order = orderOf(detail);
    const keep = setup.complaints.map(nothing), all = (count) => Array.from({ length: count }, nothing);
    if (order < shown) return [...keep, ...all(9)]; // a newer one is there
    shown = order;
    const complaints = setup.complaints.map((name) => answer.complaints[name] || "");
    setup.complaints.forEach((name) => mark(name, answer.complaints[name]));
    const last = answer.rank === rank;
    if (last) for (const name of ["theory-point", "theory-panel"]) document.getElementById(name)?.setAttribute("aria-busy", "false");
    if (answer.state === "bad") {
      return [...complaints, ...all(3), answer.note, ...all(3), "card stale", "card stale"];
    }
    if (last) {
      link = { query: answer.query, view: answer.view };
      answeredRank = rank;
      settle(detail === "quick");
    }
    const drawn = answer.state === "fine";
    const looks = { fine: "card", none: "card without", later: "card stale" }[answer.state];
    return [
      ...complaints,
      answer.tiles,
      answer.sentence,
      drawn ? answer.about : "",
      answer.note,
      drawn ? answer.figure : nothing(),
      answer.code || (detail === "full" ? "" : nothing()),
      { query: answer.query, view: answer.view },
      "card",
      looks,
    ];
  }

  function mark(name, complaint) {
    const box = document.getElementById(name === "rule" ? "theory-rule-number" : `theory-${name}`);
    if (!box) return;
    box.setAttribute("aria-invalid", complaint ? "true" : "false");
    box.setAttribute("aria-describedby", `theory-${name}-complaint`);
  }

  /* ---- the link ---- */

  let link = null, simulation = {};

  function searchOf() {
    return `?${new URLSearchParams({ ...link.query, view: link.view, ...simulation })}`;
  }

  function writeLink() {
    if (!link || window.location.pathname !== "/") return;
    const search = searchOf();
    if (search === window.location.search) return;
    const write = window.location.search ? "pushState" : "replaceState"; // back does not end at a page without a question
    window.history[write](null, "", search);
  }

  window.addEventListener("popstate", () => {
    if (!document.getElementById("theory-page")) return;
    window.dash_clientside.set_props("theory-visited", { data: { search: window.location.search, at: Date.now() } });
  });

  async function copy(clicks) {
    if (!clicks) return nothing();
    if (answeredRank === rank) writeLink();
    try {
      await navigator.clipboard.writeText(window.location.href);
    } catch {
      return `Copy it from here: ${window.location.href}`;
    }
    setTimeout(() => window.dash_clientside.set_props("theory-copied", { children: "" }), 4000);
    return "Link copied";
  }

  window.dash_clientside.theory = { change, ask, show, release, copy };
})();
