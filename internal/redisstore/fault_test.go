package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

const password = "Secr3t-never-shown"

var session = store.Key{Kind: store.KindSession, Name: "a"}

func asCaddy() (string, string, error) { return "caddy", password, nil }

// TestServerSays: what a server may say instead of an answer is a technical failure with
// the cure.
func TestServerSays(t *testing.T) {
	for name, test := range map[string]struct{ said, hint string }{
		"loading":       {"-LOADING Redis is loading the dataset in memory\r\n", "wait"},
		"moved":         {"-MOVED 3999 127.0.0.1:6381\r\n", "cluster"},
		"cluster down":  {"-CLUSTERDOWN The cluster is down\r\n", "cluster"},
		"out of memory": {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "maxmemory"},
		"read only":     {"-READONLY You can't write against a read only replica.\r\n", "primary"},
		"master down":   {"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "primary"},
		"password":      {"-NOAUTH Authentication required.\r\n", "password"},
		"rights":        {"-NOPERM this user has no permissions to run the 'get' command\r\n", "ACL SETUSER"},
		"protected":     {"-DENIED Redis is running in protected mode because protected mode is enabled\r\n", "requirepass"},
		"busy":          {"-BUSY Redis is busy running a script.\r\n", "SCRIPT KILL"},
		"clients":       {"-ERR max number of clients reached\r\n", "maxclients"},
		"disk":          {"-MISCONF Redis is configured to save RDB snapshots\r\n", "disk"},
		"in a script":   {"-ERR Error running script (call to f_a09676a3): @user_script:9: @user_script: 9: -OOM command not allowed when used memory > 'maxmemory'.\r\n", "maxmemory"},
		"in a script 2": {"-ERR Error running script (call to f_a09676a3): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica.\r\n", "primary"},
		"other":         {"-ERR something else\r\n", ""},
		"blob error":    {"!21\r\nSYNTAX invalid syntax\r\n", ""},
		"number":        {":5\r\n", ""},
		"list":          {"*1\r\n:5\r\n", ""},
		"huge":          {"$9223372036854775807\r\n", "no Redis"},
		"negative":      {"$-7\r\n", "no Redis"},
		"other letters": {"HTTP/1.1 400 Bad Request\r\n\r\n", "no Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, Config{}, func(command []string) string {
				if command[0] == "HELLO" {
					return hello
				}
				return test.said
			})
			_, err := s.Get(t.Context(), session)
			fault, ok := errors.AsType[*Error](err)
			if !errors.Is(err, store.ErrDown) || !ok || !strings.Contains(fault.Hint, test.hint) {
				t.Errorf("got %v (%+v), want a fault with a hint that has %q", err, fault, test.hint)
			}
			change := func([]byte) ([]byte, time.Duration, error) { return []byte("1"), time.Minute, nil }
			if err := s.Update(t.Context(), session, change); !errors.Is(err, store.ErrDown) {
				t.Errorf("got %v of an update", err)
			}
		})
	}
}

// TestServerRepeatsPassword: a server, or a proxy before it, that repeats what it was
// sent makes nobody write the password into a log.
func TestServerRepeatsPassword(t *testing.T) {
	for name, said := range map[string]string{
		"unknown command": "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'caddy' '" + password + "'\r\n",
		"other words":     "-ERR bad AUTH caddy " + password + "\r\n",
		"where it is cut": "-ERR " + strings.Repeat("x", maxSaid-10) + " " + password + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t, Config{Credentials: asCaddy}, func([]string) string { return said })
			_, err := s.Get(t.Context(), session)
			if !errors.Is(err, store.ErrDown) || strings.Contains(err.Error(), password[:5]) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("in a list", func(t *testing.T) {
		s := newFake(t, Config{Credentials: asCaddy}, func(command []string) string {
			switch command[0] {
			case "HELLO":
				return hello
			case "SCAN":
				return "*2\r\n$1\r\n0\r\n*1\r\n" + blob("windows_auth:session:a")
			}
			return "*1\r\n-ERR bad AUTH caddy " + password + "\r\n"
		})
		err := s.Each(t.Context(), store.KindSession, func(string, []byte) bool { return true })
		if !errors.Is(err, store.ErrDown) || strings.Contains(err.Error(), password[:5]) {
			t.Errorf("got %v", err)
		}
	})
}

// TestOldServer: one that knows no HELLO is asked in its own words, with the password.
func TestOldServer(t *testing.T) {
	var seen []string
	s := newFake(t, Config{Database: 2, Credentials: asCaddy}, func(command []string) string {
		seen = append(seen, strings.Join(command, " "))
		switch command[0] {
		case "HELLO":
			return "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"
		case "GET":
			return blob("value")
		}
		return "+OK\r\n"
	})
	got, err := s.Get(t.Context(), session)
	if err != nil || string(got) != "value" {
		t.Fatalf("got %q, %v", got, err)
	}
	for _, want := range []string{"AUTH caddy " + password, "SELECT 2", "GET windows_auth:session:a"} {
		if !strings.Contains(strings.Join(seen, "\n"), want) {
			t.Errorf("the server saw %q, want %q", seen, want)
		}
	}
}

// TestNothingTouchesTheNetworkYet: a store is made without a question.
func TestNothingTouchesTheNetworkYet(t *testing.T) {
	asked := false
	s, err := New(Config{Address: "redis.invalid:6379", Credentials: func() (string, string, error) {
		asked = true
		return "", "", nil
	}})
	if err != nil || asked {
		t.Errorf("got %v, asked for a password: %v", err, asked)
	}
	s.Close()
}

// FuzzAnswers: whatever a server says ends in a value or a failure, and is no yes.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("$1\r\n1\r\n"), []byte(":1\r\n"))
	f.Add([]byte("_\r\n"), []byte("*1\r\n$1\r\n2\r\n"))
	f.Add([]byte("$-1\r\n"), []byte("*0\r\n"))
	f.Add([]byte("%1\r\n+a\r\n+b\r\n"), []byte("-OOM\r\n"))
	f.Fuzz(func(t *testing.T, read, swapped []byte) {
		for _, answer := range [][]byte{read, swapped} {
			if announcesMuch(answer) {
				return // the library makes room for it
			}
		}
		s := newFake(t, Config{}, nil)
		s.dial = func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go serve(theirs, func(command []string) string {
				switch command[0] {
				case "HELLO":
					return hello
				case "GET":
					return string(read) + "\r\n"
				}
				return string(swapped) + "\r\n"
			}, true)
			return ours, nil
		}
		first, err := store.Once(t.Context(), s, session, time.Minute)
		if first && (err != nil || !strings.HasPrefix(string(swapped), ":") && !strings.ContainsAny(string(swapped), "1t")) {
			t.Errorf("got a yes, %v of %q and %q", err, read, swapped)
		}
	})
}

// announcesMuch says that there is a number of more than three digits.
func announcesMuch(answer []byte) bool {
	run := 0
	for _, c := range answer {
		if run++; c < '0' || c > '9' {
			run = 0
		}
		if run > 3 {
			return true
		}
	}
	return false
}
