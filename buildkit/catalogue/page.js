(() => {
  "use strict";
  const find = (selector, within = document) => [...within.querySelectorAll(selector)];
  const only = selector => document.querySelector(selector);

  // Search and filters
  const search = only("#search");
  const choices = find("#filters select");
  const status = only("#status");
  const reset = only("#reset");
  const images = find("details.image").map(element => ({
    element,
    text: element.textContent.toLowerCase(),
    id: element.firstElementChild.nextElementSibling.id,
    shown: true,
  }));
  const chips = new Map(find("a.chip").map(chip => [chip.dataset.id, chip.parentElement]));
  const rows = find("#matrix tbody tr").map(row => ({ row, cells: find("li", row) }));

  const fits = (element, choice) =>
    !choice.value || element.dataset[choice.name].split("|").includes(choice.value);

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const set = choices.filter(choice => choice.value);
    let count = 0;
    for (const image of images) {
      const shown = words.every(word => image.text.includes(word)) &&
        set.every(choice => fits(image.element, choice));
      count += shown;
      if (shown !== image.shown) {
        image.shown = shown;
        image.element.hidden = !shown;
        const chip = chips.get(image.id);
        if (chip) chip.hidden = !shown;
      }
    }
    for (const { row, cells } of rows) row.hidden = cells.every(cell => cell.hidden);
    const all = count === images.length;
    reset.hidden = !words.length && !set.length;
    only("#nothing").hidden = count > 0;
    status.textContent = all ? `${count} images` : `${count} of ${images.length} images`;
  };

  if (images.length) {
    only("#filters").hidden = false;
    search.addEventListener("input", filter);
    for (const choice of choices) choice.addEventListener("change", filter);
    reset.addEventListener("click", () => {
      search.value = "";
      for (const choice of choices) choice.value = "";
      filter();
      search.focus();
    });
    filter(); // a browser may have kept what was typed before a reload
  }

  // A link to an image opens it, also where the browser would not
  const open = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const target = id && document.getElementById(id);
    if (!target) return;
    const details = target.closest("details");
    if (details) details.open = true;
    settle(details || target, 5);
  };
  // The height of images that were never seen is an estimate, so the first jump may miss
  const settle = (target, more) => {
    target.scrollIntoView();
    if (more) requestAnimationFrame(() => settle(target, more - 1));
  };
  addEventListener("hashchange", open);
  open();

  // Buttons to copy what can be pulled; without them, the text can be selected
  const said = only("#said");
  const copy = async (code, button) => {
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    said.textContent = done ? `Copied ${code.textContent}` : "Selected: press Ctrl+C or ⌘C to copy";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  const addButtons = details => {
    for (const code of find("code.copy", details)) {
      if (code.nextElementSibling?.matches("button")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy ${code.textContent}`);
      button.addEventListener("click", () => copy(code, button));
      code.after(button);
    }
  };
  document.addEventListener("toggle", event => {
    if (event.target.open && event.target.matches("details.image")) addButtons(event.target);
  }, true);
  find("details.image[open]").forEach(addButtons);

  // Printed, everything is there
  const closed = new Set();
  addEventListener("beforeprint", () => find("details:not([open])").forEach(each => {
    closed.add(each);
    each.open = true;
  }));
  addEventListener("afterprint", () => {
    closed.forEach(each => { each.open = false; });
    closed.clear();
  });
})();
