// @ts-check
/**
 * A generator that is called and then dropped runs nothing and says nothing. So a value of a
 * Generator type must be `yield*`ed, returned, assigned or passed on. Four ways to drop one:
 * as a statement (also behind `void`, `await`, a comma or `&&`), as a condition (always true), as
 * the value of a callback whose result nobody takes, and inside a template string.
 */
import ts from 'typescript';

/**
 * @typedef {any} Node  a node of typescript-eslint's tree; ESLint's own types know no TypeScript
 */

const GENERATORS = new Set(['Generator', 'AsyncGenerator']);

/** Every constituent, or any one, is a generator. @param {ts.Type} type */
const allGenerators = (type) => parts(type).every((t) => GENERATORS.has(t.symbol?.name));
/** @param {ts.Type} type */
const anyGenerator = (type) => parts(type).some((t) => GENERATORS.has(t.symbol?.name));
/** @param {ts.Type} type */
const parts = (type) => (type.isUnion() ? type.types : [type]);

/**
 * The expressions whose value a statement throws away.
 * @param {Node} e
 * @returns {Node[]}
 */
function dropped(e) {
  switch (e.type) {
    case 'UnaryExpression':
      return e.operator === 'void' ? dropped(e.argument) : [e];
    case 'AwaitExpression':
      return [e.argument, ...dropped(e.argument)];
    case 'LogicalExpression':
      return dropped(e.right);
    case 'ConditionalExpression':
      return [...dropped(e.consequent), ...dropped(e.alternate)];
    case 'SequenceExpression':
      return e.expressions.flatMap(dropped);
    case 'ChainExpression':
    case 'TSNonNullExpression':
      return dropped(e.expression);
    // The value goes somewhere: into a name, or to the driver.
    case 'AssignmentExpression':
    case 'YieldExpression':
      return [];
    default:
      return [e];
  }
}

/** The test of a statement or operator that asks whether its value is true. @param {Node} node */
function condition(node) {
  switch (node.type) {
    case 'LogicalExpression':
      return node.operator === '??' ? null : node.left;
    case 'UnaryExpression':
      return node.operator === '!' ? node.argument : null;
    case 'IfStatement':
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'ForStatement':
    case 'ConditionalExpression':
      return node.test;
    default:
      return null;
  }
}

/** @type {import('eslint').Rule.RuleModule} */
export const noDroppedOp = {
  meta: {
    type: 'problem',
    schema: [],
    messages: {
      dropped: 'This operation never runs: a generator must be `yield*`ed, returned or passed on.',
      condition: 'An operation is always true and never runs here: `yield*` it first.',
      callback: 'This callback returns an operation that nobody runs.',
      template: 'An operation has no text: `yield*` it first.',
    },
  },
  create(context) {
    const services = context.sourceCode.parserServices;
    const checker = services.program.getTypeChecker();
    /** @type {(n: Node) => ts.Type} */
    const typeOf = (n) => services.getTypeAtLocation(n);

    /** The function's result is thrown away by whoever is handed the function. @param {Node} fn */
    const resultUnused = (fn) => {
      const node = services.esTreeNodeToTSNodeMap.get(fn);
      if (!ts.isExpression(node)) return false;
      /** @type {ts.Type | undefined} */
      const contextual = checker.getContextualType(node);
      const signatures = contextual?.getNonNullableType().getCallSignatures() ?? [];
      /** @param {ts.Signature} s */
      const returnsVoid = (s) => (s.getReturnType().flags & ts.TypeFlags.Void) !== 0;
      return signatures.length > 0 && signatures.every(returnsVoid);
    };
    const testOf = (/** @type {Node} */ node) => {
      const test = condition(node);
      if (test && allGenerators(typeOf(test))) {
        context.report({ node: test, messageId: 'condition' });
      }
    };
    return {
      ExpressionStatement(node) {
        for (const e of dropped(node.expression)) {
          if (anyGenerator(typeOf(e))) context.report({ node: e, messageId: 'dropped' });
        }
      },
      IfStatement: testOf,
      WhileStatement: testOf,
      DoWhileStatement: testOf,
      ForStatement: testOf,
      ConditionalExpression: testOf,
      LogicalExpression: testOf,
      UnaryExpression: testOf,
      TemplateLiteral(node) {
        for (const e of node.expressions) {
          if (anyGenerator(typeOf(e))) context.report({ node: e, messageId: 'template' });
        }
      },
      'ArrowFunctionExpression, FunctionExpression'(/** @type {Node} */ fn) {
        if (!resultUnused(fn)) return;
        const [signature] = typeOf(fn).getCallSignatures();
        if (signature && anyGenerator(signature.getReturnType())) {
          context.report({ node: fn, messageId: 'callback' });
        }
      },
    };
  },
};
