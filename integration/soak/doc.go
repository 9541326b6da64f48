// Package soak proves what only time and numbers show: in a crowd nobody is
// somebody else, and what is over leaves nothing behind. Its tests run the
// real Caddy over directories in the process.
package soak
