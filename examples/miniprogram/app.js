// Nothing to do at launch: the first request logs in by itself, and a login() here would undo the user's own logout.
App({})
