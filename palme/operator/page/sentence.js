// The sentence arrives as HTML; only the elements of a sentence are copied from it.

const TAGS = new Set(["P", "SPAN", "SMALL", "B", "IMG"]);
const PICTURE = /^data:image\/(jpeg|png);base64,/;

export function showSentence(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html"); // inert: runs no script, loads nothing
  document.getElementById("sentence").replaceChildren(...copies(parsed.body));
  document.getElementById("model-input").hidden = !html;
}

function copies(node) {
  return [...node.childNodes].flatMap((child) => {
    if (child.nodeType === Node.TEXT_NODE) return [document.createTextNode(child.data)];
    if (child.nodeType !== Node.ELEMENT_NODE) return [];
    if (!TAGS.has(child.tagName)) return copies(child);
    const copy = document.createElement(child.tagName);
    for (const name of ["class", "title"]) {
      if (child.hasAttribute(name)) copy.setAttribute(name, child.getAttribute(name));
    }
    if (child.tagName === "IMG") {
      copy.alt = "";
      if (PICTURE.test(child.getAttribute("src") ?? "")) copy.src = child.getAttribute("src");
    }
    copy.append(...copies(child));
    return [copy];
  });
}
