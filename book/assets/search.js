// Excerpts in the results of a search have no formulas and no code, which would be raw, and no tools of the page.
// The build puts this at the end of Sphinx's own script, for that one begins to search as soon as it is read.
{
  const { htmlToText } = Search;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".math, .highlight").forEach((raw) => raw.replaceWith("…"));
    page.querySelectorAll(".bd-header-article, .bd-sidebar-secondary, #jb-print-docs-body, footer, script, summary, .headerlink")
      .forEach((tool) => tool.remove());
    return htmlToText(page.documentElement.outerHTML, anchor);
  };
}
