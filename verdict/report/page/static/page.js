"use strict";
(() => {
  const root = document.documentElement;

  // Light or dark: as the system has it, until somebody asks for the other one.
  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { toggle.textContent = isDark() ? "Light colours" : "Dark colours"; };
  // Some browsers refuse to remember anything for a local file.
  const remembered = (work) => { try { return work(localStorage); } catch { return null; } };
  const theme = remembered((store) => store.getItem("verdict-theme"));
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  toggle.hidden = false;
  label();
  system.addEventListener("change", label);
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered((store) => store.setItem("verdict-theme", root.dataset.theme));
    label();
  });

  // The gallery: what is chosen stands in the address, so that it can be sent to somebody.
  const form = document.getElementById("filters");
  if (!form) return;
  const cases = Array.from(document.querySelectorAll(".case"), (element) => ({
    element,
    kind: element.dataset.kind,
    label: element.dataset.label,
    answers: JSON.parse(element.dataset.answers),
    text: element.textContent.toLowerCase().replace(/\s+/g, " "),
  }));
  const count = document.getElementById("count");
  const answers = Array.from(form.querySelectorAll("select[data-model]"));
  const named = Array.from(form.elements).filter((field) => field.name);

  const apply = () => {
    const chosen = new FormData(form);
    const kind = chosen.get("group"), wanted = chosen.get("label");
    const words = chosen.get("search").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of cases) {
      const fits = (!kind || one.kind === kind)
        && (!wanted || one.label === wanted)
        && answers.every((select, i) => !select.value || one.answers[i].includes(select.value))
        && words.every((word) => one.text.includes(word));
      one.element.hidden = !fits;
      if (fits) shown += 1;
    }
    count.textContent = shown === cases.length
      ? `All ${cases.length} cases` : `${shown} of ${cases.length} cases`;
  };

  const remember = () => {
    const chosen = Array.from(new FormData(form)).filter(([, value]) => value);
    const hash = chosen.length ? `#gallery?${new URLSearchParams(chosen)}` : "#gallery";
    history.replaceState(null, "", hash);
  };

  const recall = () => {
    const [place, query] = location.hash.split("?");
    if (place === "#gallery" && query !== undefined) {
      const chosen = new URLSearchParams(query);
      for (const field of named) {
        const value = chosen.get(field.name) ?? "";
        if (field.type === "radio") field.checked = field.value === value;
        else field.value = value;
      }
      document.getElementById("gallery").scrollIntoView();
    } else if (document.getElementById(location.hash.slice(1))?.hidden) {
      form.reset();  // a link to a case that is filtered away
    }
    apply();
  };

  form.hidden = false;
  form.addEventListener("input", () => { apply(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); }));
  addEventListener("hashchange", recall);
  recall();
})();
