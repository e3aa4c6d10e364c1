// @ts-check
/**
 * Below api/ an operation fails with a number: `throw errno(...)` or `throw corrupted(...)`, and a
 * defect of our own with `assert()` or `unreachable()`. So neither `new SomeError(...)` nor a
 * thrown literal appears there; a caught value may be thrown again.
 */

/** Names whose call makes a value worth throwing. */
const MAKERS = new Set(['errno', 'corrupted']);
/** A class of errors by its name; `Error` itself included. */
const ERROR_CLASS = /Error$/;

/** @param {import('estree').Node} thrown */
function mayBeThrown(thrown) {
  if (thrown.type === 'CallExpression') {
    return thrown.callee.type === 'Identifier' && MAKERS.has(thrown.callee.name);
  }
  return thrown.type === 'Identifier' || thrown.type === 'MemberExpression';
}

/** @type {import('eslint').Rule.RuleModule} */
export const errnoOnly = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      made: '`{{name}}` is not for here: use errno(), corrupted(), assert() or unreachable().',
      thrown: 'Throw errno(...) or corrupted(...), or a value that was caught.',
    },
  },
  create(context) {
    /** @param {import('estree').SimpleCallExpression | import('estree').NewExpression} node */
    const made = (node) => {
      const { callee } = node;
      if (callee.type !== 'Identifier' || !ERROR_CLASS.test(callee.name)) return;
      context.report({ node, messageId: 'made', data: { name: callee.name } });
    };
    return {
      NewExpression: made,
      CallExpression: made,
      ThrowStatement(node) {
        const { argument } = node;
        if (argument.type === 'NewExpression' || mayBeThrown(argument)) return;
        context.report({ node, messageId: 'thrown' });
      },
    };
  },
};
