// @ts-check
/**
 * A6: a bare `yield` hands the driver a reason to wait, and only sched/ knows those reasons.
 * Everywhere else `function*` means "may sleep" and contains `yield*` alone; iteration uses
 * cursors. Async generators are another thing (streams at the edge), so they are let be.
 */

/** @type {import('eslint').Rule.RuleModule} */
export const noBareYield = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { bare: 'Only sched/ may `yield`: write `yield*`, or iterate with a cursor (A6).' },
  },
  create(context) {
    /** @type {boolean[]} */
    const asyncs = [];
    /** @param {{ async?: boolean | undefined }} fn */
    const enter = (fn) => void asyncs.push(fn.async === true);
    const leave = () => void asyncs.pop();
    return {
      FunctionDeclaration: enter,
      FunctionExpression: enter,
      'FunctionDeclaration:exit': leave,
      'FunctionExpression:exit': leave,
      YieldExpression(node) {
        if (!node.delegate && !asyncs.at(-1)) context.report({ node, messageId: 'bare' });
      },
    };
  },
};
