// @ts-check
/**
 * Below api/ an operation fails with a number: `throw errno(...)` or `throw corrupted(...)`, and a
 * defect of our own with `assert()` or `unreachable()`. So no error is made there by `new`, no
 * class of errors is declared, and no literal is thrown. Throwing what a function made, or what was
 * caught, is fine: it came from one of those four.
 */

const ERRORS = new Set([
  ...['Error', 'AggregateError', 'EvalError', 'RangeError', 'ReferenceError'],
  ...['SyntaxError', 'TypeError', 'URIError', 'DOMException'],
  ...['FsError', 'CorruptError', 'AssertionError'],
]);

/** @param {import('estree').Node | null | undefined} node */
const errorName = (node) => (node?.type === 'Identifier' && ERRORS.has(node.name) ? node.name : '');

/** Values made on the spot, which carry no errno. */
const LITERALS = new Set([
  ...['Literal', 'TemplateLiteral', 'BinaryExpression'],
  ...['ObjectExpression', 'ArrayExpression'],
]);

/** @type {import('eslint').Rule.RuleModule} */
export const errnoOnly = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      made: '`{{name}}` is not for here: use errno(), corrupted(), assert() or unreachable().',
      thrown: 'Throw errno(...) or corrupted(...), or a value that was caught.',
      derived: 'A class of errors is declared in base/errno.ts or nowhere.',
    },
  },
  create(context) {
    /** @param {import('estree').SimpleCallExpression | import('estree').NewExpression} node */
    const made = (node) => {
      const name = errorName(node.callee);
      if (name) context.report({ node, messageId: 'made', data: { name } });
    };
    /** @param {import('estree').ClassDeclaration | import('estree').ClassExpression} node */
    const derived = (node) => {
      if (errorName(node.superClass)) context.report({ node, messageId: 'derived' });
    };
    return {
      NewExpression: made,
      CallExpression: made,
      ClassDeclaration: derived,
      ClassExpression: derived,
      ThrowStatement(node) {
        if (LITERALS.has(node.argument.type)) context.report({ node, messageId: 'thrown' });
      },
    };
  },
};
