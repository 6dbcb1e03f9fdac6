// Copy buttons: hidden until here, since they do nothing without a script.
"use strict";
const said = document.getElementById("said");

async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Plain HTTP away from this machine: browsers offer no clipboard there but this.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused");
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  const words = button.firstChild;
  const label = words.data;
  let timer;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copies);
    try {
      await copy(code.textContent);
      words.data = "Copied";
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(code);
      words.data = "Selected";
      said.textContent = "The browser does not allow copying. The code is selected.";
    }
    clearTimeout(timer);
    timer = setTimeout(() => { words.data = label; said.textContent = ""; }, 2000);
  });
}

// A link to a part of the page opens what hides it.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
}
addEventListener("hashchange", reveal);
reveal();
