// A function in node: `thaw fn deploy hello --image IMAGE_WITH_NODE --handler app.handle --code node`
const crypto = require('crypto');

// Everything up here runs once, before the freeze. Each event begins right behind it.
const greeting = process.env.GREETING || 'Hello';

// Close what must not be frozen: connections, files with locks.
exports.beforeSnapshot = async () => {};

// Put right what a clone must not share with the others. Thaw itself has put node's random generators right.
exports.afterRestore = async () => {};

exports.handle = async (event, context) => {
  const name = (event && event.name) || 'world';
  console.log('greeting', name); // goes to the log
  return {
    greeting: `${greeting}, ${name}!`,
    uuid: crypto.randomUUID(),
    requestId: context.awsRequestId,
  };
};
