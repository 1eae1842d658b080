// The filter of the ledger: hides the claims that are not asked for, and sections that are then empty. What is asked for
// stands in the address, so that a view can be kept or sent. Without this script the tables are whole.
"use strict";

addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("ledger-filter");
  if (!form) return;
  const { paper, section, verdict, here, words, all, count } = form.elements;
  const menus = [paper, section, verdict, here].filter(Boolean); // where nothing was re-checked, `here` is missing
  const fields = [...menus, words];
  const claims = [...document.querySelectorAll("[data-verdict]")].map((mark) => {
    const row = mark.closest("tr");
    const read = row.cloneNode(true);
    read.querySelectorAll(".keys code").forEach((key) => key.remove()); // keys of runs are no words
    return { ...mark.dataset, row, text: read.textContent.toLowerCase() };
  });
  const tables = new Set(claims.map(({ row }) => row.closest("section")));

  function show() {
    const asked = words.value.toLowerCase().split(/\s+/);
    for (const claim of claims) {
      const chosen = menus.every(({ name, value }) => !value || claim[name] === value);
      claim.row.hidden = !chosen || !asked.every((word) => claim.text.includes(word));
    }
    tables.forEach((table) => (table.hidden = !table.querySelector("tbody tr:not([hidden])")));
    count.value = `${claims.filter(({ row }) => !row.hidden).length} of ${claims.length} claims`;
  }

  function clear() {
    fields.forEach((field) => (field.value = ""));
    remember();
    show();
  }

  function remember() {
    const state = new URLSearchParams(fields.filter(({ value }) => value).map(({ name, value }) => [name, value]));
    history.replaceState(null, "", `${location.pathname}${String(state) && `?${state}`}`);
  }

  function recall() {
    const state = new URLSearchParams(location.search);
    for (const field of fields) {
      field.value = state.get(field.name) ?? "";
      if (field.selectedIndex === -1) field.value = ""; // no such choice
    }
  }

  // An address that ends in a claim or a section shows it, whatever is chosen.
  function reveal() {
    const { hash } = location;
    const target = document.getElementById(hash.slice(1));
    if (target?.closest("tr[hidden], section[hidden]")) {
      clear();
      history.replaceState(null, "", hash);
    }
    target?.scrollIntoView({ behavior: "instant" }); // what stands above it may have changed its height
  }

  form.addEventListener("input", ({ target }) => {
    const owner = section.selectedOptions[0].parentElement.label; // sections stand in groups, one a paper
    if (target === section && section.value) paper.value = owner;
    if (target === paper && paper.value && owner !== paper.value) section.value = "";
    remember();
    show();
  });
  all.addEventListener("click", clear);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);

  form.hidden = false;
  recall();
  show();
  reveal();
});
