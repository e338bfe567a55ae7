// Reads a document, asks a model about each of its sections at the same time, measures it with a
// tool, and writes a report: report.lua in TypeScript.
//
//   llmspell run examples/report.ts -p document=docs/design.md -p report=report.md

interface Section {
  title: string;
  lines: string[];
}

interface Params {
  document?: string;
  report?: string;
}

function sectionsOf(text: string): Section[] {
  // A section is a heading of the second level and what follows it.
  const sections: Section[] = [];
  for (const line of text.split("\n")) {
    const title = /^##\s+(.+)/.exec(line)?.[1];
    if (title !== undefined) sections.push({ title, lines: [] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections;
}

export default async function main({ document = "docs/design.md", report = "report.md" }: Params) {
  const text = await fs.read(document);
  const sections = sectionsOf(text);
  print(`read ${document}: ${text.length} characters, ${sections.length} sections`);

  // A tool of our own: the agent below may call it, and so may we.
  await tools.register("reading_time", "Tells how many minutes a text of so many words takes to read.", {
    type: "object",
    properties: { words: { type: "integer", minimum: 0, examples: [1200] } },
    required: ["words"],
  }, (args: { words: number }) => tools.calculate(`round(${args.words} / 220, 1)`));

  const words = text.split(/\s+/).filter((word) => word !== "").length;
  const minutes: number = await tools.execute("reading_time", { words });
  print(`a tool says: ${words} words take ${minutes} minutes`);

  // Every section at the same time: this takes as long as the slowest answer.
  const summaries = await parallel(sections.map((section) => () =>
    llm.generate(`Summarise in one sentence: ${section.lines.join("\n")}`, {
      system: "You summarise technical documents.",
      max_tokens: 200,
    })), { limit: 8 });
  print(`a model summarised ${summaries.length} sections`);

  const editor = await agent.create({
    system: "You are an editor. Use your tools.",
    tools: ["reading_time"],
  });
  const verdict = await editor.run(`How long does ${document} take to read, and who should read it?`);
  print(`an agent used ${verdict.tool_calls.length} tool(s)`);

  const out = [`# Report on ${document}`, "", verdict.content, ""];
  sections.forEach((section, i) => out.push(`- **${section.title}**: ${summaries[i]}`));
  await fs.write(report, `${out.join("\n")}\n`);
  print(`wrote ${report}`);

  return { report, words, minutes, sections: sections.length };
}
