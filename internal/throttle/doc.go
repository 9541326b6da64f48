// Package throttle keeps guessers away from the controllers: how many wrong passwords
// of an account may reach them in a window, how many may come from one address, and
// how long to wait after each. Nobody locks an account out by guessing through us,
// and nobody sleeps here: who must wait is told for how long.
//
//   - throttle.go: a try begins: a place of the account, a place of the address
//   - attempt.go: what came of it
//   - account.go, address.go: what is known of each, and book.go: where it is written
//   - budget.go: wrong passwords in a window, and the wait after each
//   - codec.go: how both lie in a store
//   - process.go, waiting.go, prints.go: what a process keeps for itself
//   - owed.go: ends that a store was not told while it was down, or a crowd at one account
//
// A place is taken before a controller is asked and given back when the password was
// right, so that many attempts at once count as many one after another do. Where all
// places are taken by attempts under way, the next one waits for what becomes of
// them: a browser that logs in on six connections at once is not a guesser.
//
// An address from which an account has logged in keeps a budget of its own: an attack
// from elsewhere does not shut the account's owner out.
//
// What is counted lies in a store, which several nodes may share; their clocks must
// agree, to some seconds. Accounts are the first to be looked at, and addresses before
// an account is written down that was not there: a flood of invented names from one
// address ends at its limit and pushes nobody out. One from some thousand addresses
// can, at one question to a controller for each name.
package throttle
