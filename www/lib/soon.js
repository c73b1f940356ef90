/*
 * Many calls, few deeds: soon(work, ms, signal) makes a function that has the
 * work done at once, but only every so many ms, and never twice at a time.
 * What is asked for meanwhile is done once more then.
 */

export function soon(work, ms, signal) {
  let isBusy = false;
  let isAsked = false;
  return async function ask() {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    while (isAsked && !signal.aborted) {
      isAsked = false;
      await Promise.all([work(), rest(ms)]).catch(console.error);
    }
    isBusy = false;
  };
}

const rest = (ms) => new Promise((done) => setTimeout(done, ms));
