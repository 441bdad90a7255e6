/**
 * A small reader of GBNF, to hold what is printed against the automaton it was printed from. It
 * walks sets of positions, so that no grammar takes it long.
 */
type Node =
  | { type: 'char'; has: (code: number) => boolean }
  | { type: 'rule'; name: string }
  | { type: 'sequence'; items: Node[] }
  | { type: 'choice'; items: Node[] }
  | { type: 'repeat'; body: Node; min: number; max: number };

export function gbnfAccepts(gbnf: {
  root: string;
  rules: readonly { name: string; body: string }[];
}): (text: string) => boolean {
  const rules = new Map(gbnf.rules.map(({ name, body }) => [name, parse(body)]));
  if (rules.size !== gbnf.rules.length) throw new Error('A rule is defined twice.');
  const root = parse(gbnf.root);
  return (text) => {
    const codes = Array.from(text, (character) => character.codePointAt(0)!);
    const memo = new Map<string, Set<number>>();
    const match = (node: Node, from: ReadonlySet<number>): Set<number> => {
      switch (node.type) {
        case 'char':
          return new Set(
            [...from].filter((at) => at < codes.length && node.has(codes[at]!)).map((at) => at + 1),
          );
        case 'sequence':
          return node.items.reduce<Set<number>>((at, item) => match(item, at), new Set(from));
        case 'choice':
          return new Set(node.items.flatMap((item) => [...match(item, from)]));
        case 'repeat': {
          const reached = new Set(node.min === 0 ? from : []);
          let at = new Set(from);
          for (
            let count = 1;
            count <= node.max && at.size > 0 && count <= codes.length + node.min + 1;
            count++
          ) {
            at = match(node.body, at);
            if (count >= node.min) for (const one of at) reached.add(one);
          }
          return reached;
        }
        case 'rule': {
          const body = rules.get(node.name);
          if (body === undefined) throw new Error(`There is no rule ${node.name}.`);
          const reached = new Set<number>();
          for (const at of from) {
            const key = `${node.name} ${at}`;
            let ends = memo.get(key);
            if (ends === undefined) {
              ends = match(body, new Set([at]));
              memo.set(key, ends);
            }
            for (const end of ends) reached.add(end);
          }
          return reached;
        }
      }
    };
    return match(root, new Set([0])).has(codes.length);
  };
}

function parse(source: string): Node {
  let at = 0;
  const skip = (): void => {
    while (source[at] === ' ') at++;
  };
  const character = (): number => {
    if (source[at] !== '\\') {
      if (source.charCodeAt(at) > 0x7e) throw new Error(`Not ASCII: ${source}`);
      return source.charCodeAt(at++);
    }
    const found = /^\\(?:x([0-9A-F]{2})|u([0-9A-F]{4})|U([0-9A-F]{8})|(["\\[\]]))/.exec(
      source.slice(at),
    );
    if (found === null) throw new Error(`An unknown escape at ${at} of ${source}`);
    at += found[0].length;
    const hex = found[1] ?? found[2] ?? found[3];
    return hex === undefined ? found[4]!.charCodeAt(0) : Number.parseInt(hex, 16);
  };
  const atom = (): Node | undefined => {
    const sign = source[at];
    if (sign === '"') {
      at++;
      const items: Node[] = [];
      while (source[at] !== '"') {
        const code = character();
        items.push({ type: 'char', has: (other) => other === code });
      }
      at++;
      return { type: 'sequence', items };
    }
    if (sign === '[') {
      at++;
      const pairs: [number, number][] = [];
      if (source[at] === '^' || source[at] === ']') throw new Error(`A class to avoid: ${source}`);
      while (source[at] !== ']') {
        const from = character();
        if (source[at] === '-') {
          at++;
          pairs.push([from, character()]);
        } else pairs.push([from, from]);
      }
      at++;
      return {
        type: 'char',
        has: (code) => pairs.some(([from, to]) => code >= from && code <= to),
      };
    }
    if (sign === '(') {
      at++;
      const node = choice();
      if (source[at] !== ')') throw new Error(`A parenthesis is open in ${source}`);
      at++;
      return node;
    }
    const name = /^[a-zA-Z0-9-]+/.exec(source.slice(at))?.[0];
    if (name === undefined) return undefined;
    at += name.length;
    return { type: 'rule', name };
  };
  const sequence = (): Node => {
    const items: Node[] = [];
    for (skip(); at < source.length; skip()) {
      let node = atom();
      if (node === undefined) break;
      for (;;) {
        const count = /^(?:([*+?])|\{(\d+)(,)?(\d*)\})/.exec(source.slice(at));
        if (count === null) break;
        at += count[0].length;
        const min = count[1] === undefined ? Number(count[2]) : count[1] === '+' ? 1 : 0;
        const open = count[1] === '*' || count[1] === '+' || (count[3] && count[4] === '');
        const max = open ? Infinity : count[1] === '?' ? 1 : Number(count[4] || count[2]);
        if (Math.max(min, open ? 0 : max) > 256) throw new Error(`A large repeat in ${source}`);
        node = { type: 'repeat', body: node, min, max };
      }
      items.push(node);
    }
    return { type: 'sequence', items };
  };
  const choice = (): Node => {
    const items = [sequence()];
    while (source[at] === '|') {
      at++;
      items.push(sequence());
    }
    return { type: 'choice', items };
  };
  const node = choice();
  if (at !== source.length) throw new Error(`Unreadable from ${at} in ${source}`);
  return node;
}
