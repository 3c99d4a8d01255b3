// What every page of the chat has: commands come in, and what there is to tell
// goes out through tellHarness, in order.

function tell(what) {
  tellHarness(JSON.stringify(what));
}

// run runs a command of the chat and tells how it ended.
function run(id, command, ...args) {
  Promise.resolve()
    .then(() => chat[command](...args))
    .then(
      () => tell({ id }),
      (error) => tell({ id, error: error.message || String(error) }),
    );
}
