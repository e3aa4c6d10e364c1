import fc from 'fast-check';
import { expect, test } from 'vitest';
import { List, ListNode } from './list.ts';

const ops = ['addHead', 'addTail', 'remove', 'moveHead', 'moveTail', 'rotate', 'shift'] as const;

test('any sequence of operations agrees with an array', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...ops), fc.nat(9)), { maxLength: 60, size: 'max' }),
      (steps) => {
        const nodes = Array.from({ length: 10 }, (_, i) => new ListNode(i));
        const list = new List<number>();
        const model: number[] = [];
        for (const [op, i] of steps) {
          const node = nodes[i]!;
          const at = model.indexOf(i);
          if (op === 'rotate' || op === 'shift') {
            expect(list[op]()).toBe(model[0] ?? null);
            const head = model.shift();
            if (op === 'rotate' && head !== undefined) model.push(head);
          } else if (op.startsWith('add') === at >= 0) {
            expect(() => {
              list[op](node);
            }).toThrow();
          } else {
            list[op](node);
            if (at >= 0) model.splice(at, 1);
            if (op.endsWith('Head')) model.unshift(i);
            if (op.endsWith('Tail')) model.push(i);
          }
          const seen: number[] = [];
          for (let n = list.first(); n !== null; n = list.after(nodes[n]!)) seen.push(n);
          expect(seen).toEqual(model);
          expect([list.size, list.empty, list.last()]).toEqual([
            model.length,
            model.length === 0,
            model.at(-1) ?? null,
          ]);
        }
      },
    ),
  );
});

test('a node cannot be on two lists, nor leave one that it is not on', () => {
  const node = new ListNode('x');
  const a = new List<string>();
  const b = new List<string>();
  a.addTail(node);
  expect(() => {
    b.addTail(node);
  }).toThrow('already');
  expect(() => {
    b.remove(node);
  }).toThrow('not on this list');
});
