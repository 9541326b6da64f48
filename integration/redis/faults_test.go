package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/integration/daemon"
	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
	"github.com/caddy-ntlm/caddy-ntlm/internal/store"
)

// recovery is how soon a store must work again after its server does.
const recovery = 5 * time.Second

// A whole operation takes a second at most; a machine with other tests takes longer.
const patience = 2 * time.Second

var key = store.Key{Kind: store.KindSession, Name: "alice"}

func put(value string) store.Change {
	return func([]byte) ([]byte, time.Duration, error) { return []byte(value), time.Minute, nil }
}

// down holds an error to be a technical failure with the cure, which shows no password.
func down(t *testing.T, err error, hint string) {
	t.Helper()
	if !errors.Is(err, store.ErrDown) {
		t.Fatalf("got %v, want it to be %v", err, store.ErrDown)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v passes for the end of the caller's context", err)
	}
	fault, ok := errors.AsType[*redisstore.Error](err)
	if !ok || !strings.Contains(fault.Hint, hint) {
		t.Errorf("got %#v (%v), want a hint with %q", fault, err, hint)
	}
	if ok && strings.Contains(err.Error()+fault.Hint, Password) {
		t.Errorf("%v shows the password", err)
	}
}

// again waits until a store works.
func again(t *testing.T, s store.Store) {
	t.Helper()
	start := time.Now()
	for {
		_, err := s.Get(t.Context(), key)
		if err == nil {
			err = s.Update(t.Context(), key, put("again"))
		}
		if err == nil {
			t.Logf("back after %v", time.Since(start))
			return
		}
		if time.Since(start) > recovery {
			t.Fatalf("not back after %v: %v", recovery, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// working is a server, and a store in it that works.
func working(t *testing.T, options Options) (*Server, *redisstore.Store) {
	t.Helper()
	server := start(t, options)
	s := open(t, server)
	again(t, s)
	return server, s
}

// soon fails where an operation takes longer than it may.
func soon(t *testing.T, operation func() error) error {
	t.Helper()
	start := time.Now()
	err := operation()
	if took := time.Since(start); took > patience {
		t.Errorf("took %v, want %v at most", took, patience)
	}
	return err
}

func get(t *testing.T, s store.Store) func() error {
	return func() error { _, err := s.Get(t.Context(), key); return err }
}

func update(t *testing.T, s store.Store) func() error {
	return func() error { return s.Update(t.Context(), key, put("x")) }
}

// TestServerRefuses: what a server says instead of an answer, and the cure. All of it is
// a technical failure, and the store works once it is mended.
func TestServerRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		break_, mend []string
		operation    func(*testing.T, store.Store) func() error
		hint         string
	}{
		"full":      {[]string{"CONFIG", "SET", "maxmemory", "1"}, []string{"CONFIG", "SET", "maxmemory", "0"}, update, "maxmemory"},
		"replica":   {[]string{"REPLICAOF", "127.0.0.1", "1"}, []string{"REPLICAOF", "NO", "ONE"}, update, "primary"},
		"replicas":  {[]string{"CONFIG", "SET", "min-replicas-to-write", "1"}, []string{"CONFIG", "SET", "min-replicas-to-write", "0"}, update, "min-replicas-to-write"},
		"forbidden": {[]string{"ACL", "SETUSER", "default", "-set"}, []string{"ACL", "SETUSER", "default", "+@all"}, update, "ACL SETUSER"},
		"type":      {[]string{"LPUSH", "windows_auth:session:alice", "1"}, []string{"DEL", "windows_auth:session:alice"}, get, "database of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, Options{Args: []string{"--maxmemory-policy", "noeviction"}})
			s := open(t, server)
			if name != "type" {
				again(t, s)
			}
			server.must(t, test.break_...)
			down(t, soon(t, test.operation(t, s)), test.hint)
			server.must(t, test.mend...)
			again(t, s)
		})
	}
}

// TestFullServerRemoves: where nothing more fits, what is there can be read and removed.
func TestFullServerRemoves(t *testing.T) {
	server, s := working(t, Options{})
	server.must(t, "CONFIG", "SET", "maxmemory", "1")
	down(t, update(t, s)(), "maxmemory")
	if err := get(t, s)(); err != nil {
		t.Errorf("getting: %v", err)
	}
	if err := s.Update(t.Context(), key, func([]byte) ([]byte, time.Duration, error) { return nil, 0, nil }); err != nil {
		t.Errorf("removing: %v", err)
	}
	if got, err := s.Get(t.Context(), key); err != nil || got != nil {
		t.Errorf("got %q, %v after a removal", got, err)
	}
}

// TestPromotedServer: a server that is a replica is asked for anew under its name, which
// may lead elsewhere by now.
func TestPromotedServer(t *testing.T) {
	first, second := start(t, Options{}), start(t, Options{})
	var to atomic.Pointer[Server]
	to.Store(first)
	s := node(t, redisstore.Config{Address: forward(t, &to), Credentials: asDefault})
	again(t, s)
	time.Sleep(600 * time.Millisecond) // connections that are older than a moment are given up
	to.Store(second)
	if err := get(t, s)(); err != nil {
		t.Fatal(err)
	}
	first.must(t, "REPLICAOF", "127.0.0.1", "1")
	down(t, update(t, s)(), "primary")
	again(t, s)
}

// forward stands before servers, as a name in DNS does: new connections go where it leads.
func forward(t *testing.T, to *atomic.Pointer[Server]) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to.Load().Address)
			if err != nil {
				client.Close()
				continue
			}
			go copyUntilEnd(client, server)
			go copyUntilEnd(server, client)
		}
	}()
	return l.Addr().String()
}

func copyUntilEnd(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	block := make([]byte, 4096)
	for {
		n, err := from.Read(block)
		if err != nil {
			return
		}
		if _, err := to.Write(block[:n]); err != nil {
			return
		}
	}
}

// TestPassword: one that is missing, wrong, unreadable or not asked for; and one that
// changes is read anew.
func TestPassword(t *testing.T) {
	server := start(t, Options{})
	for name, test := range map[string]struct {
		user, password string
		err            error
		hint           string
	}{
		"none":       {"", "", nil, "write password"},
		"wrong":      {"", "wrong-" + Password, nil, "wrong"},
		"wrong user": {"nobody", Password, nil, "wrong"},
		"unreadable": {"", "", errors.New("no such file"), "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := node(t, redisstore.Config{Address: server.Address, Credentials: func() (string, string, error) { return test.user, test.password, test.err }})
			down(t, soon(t, get(t, s)), test.hint)
			down(t, soon(t, update(t, s)), test.hint)
		})
	}
	t.Run("rotated", func(t *testing.T) {
		var now atomic.Value
		now.Store(Password)
		s := node(t, redisstore.Config{Address: server.Address, Credentials: func() (string, string, error) { return "", now.Load().(string), nil }})
		again(t, s)
		server.must(t, "CONFIG", "SET", "requirepass", "new-one")
		server.mustAs(t, "new-one", "CLIENT", "KILL", "TYPE", "normal")
		down(t, get(t, s)(), "wrong")
		now.Store("new-one")
		again(t, s)
	})
}

func (s *Server) mustAs(t *testing.T, password string, words ...string) {
	t.Helper()
	s.must(t, append([]string{"-a", password}, words...)...)
}

// TestLeastRights: a user who may do what the hint says, and no more, is enough.
func TestLeastRights(t *testing.T) {
	server := start(t, Options{})
	server.must(t, append([]string{"ACL", "SETUSER", "caddy", "on", ">" + Password}, strings.Fields(rights)...)...)
	s := node(t, redisstore.Config{Address: server.Address, Database: 3, Credentials: func() (string, string, error) { return "caddy", Password, nil }})
	again(t, s)
	if err := s.Each(t.Context(), store.KindSession, func(string, []byte) bool { return true }); err != nil {
		t.Error(err)
	}
	report, err := s.Examine(t.Context())
	if err != nil || report.Version == "" {
		t.Errorf("got %v, %v", report, err)
	}
	if got := server.must(t, "-n", "3", "KEYS", "*"); got != "windows_auth:session:alice" {
		t.Errorf("got keys %q in database 3", got)
	}
	server.must(t, "ACL", "SETUSER", "caddy", "-info")
	if _, err := s.Examine(t.Context()); err != nil {
		t.Errorf("without INFO: %v", err)
	}
}

// rights are those of docs/store.md and of the hint.
const rights = "~windows_auth:* +get +mget +set +del +scan +eval +evalsha +select +hello +info"

// TestServerCannotSave: a disk that takes nothing more (E-07).
func TestServerCannotSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	server, s := working(t, Options{Args: []string{"--dir", dir, "--save", "3600 1"}})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	server.must(t, "BGSAVE")
	for range 100 {
		if strings.Contains(server.must(t, "INFO", "persistence"), "rdb_last_bgsave_status:err") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	down(t, soon(t, update(t, s)), "disk")
	server.must(t, "CONFIG", "SET", "save", "")
	again(t, s)
}

// TestTLS: a server in the wrong scheme, and one whose certificate nobody vouches for.
func TestTLS(t *testing.T) {
	plain, secure := start(t, Options{}), start(t, Options{TLS: true})
	trusting := open(t, secure)
	again(t, trusting)
	config := redisstore.Config{Address: secure.Address, Credentials: asDefault}
	down(t, soon(t, get(t, node(t, config))), "rediss://")
	config.TLS = systemRoots()
	down(t, soon(t, get(t, node(t, config))), "trust_pool")
	config.Address = plain.Address
	down(t, soon(t, get(t, node(t, config))), "redis://")
	_, port, _ := net.SplitHostPort(secure.Address)
	config.Address, config.TLS = "localhost:"+port, systemRoots()
	config.TLS.RootCAs = pool(t, secure.CA)
	down(t, soon(t, get(t, node(t, config))), "not for localhost")
}

// TestNobodyThere: no server, no name, somebody else.
func TestNobodyThere(t *testing.T) {
	port, err := daemon.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	go func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
			c.Close()
		}
	}()
	for name, test := range map[string]struct{ address, hint string }{
		"refused": {"127.0.0.1:" + port, "listens"},
		"no name": {"redis.invalid:6379", "DNS"},
		"http":    {web.Addr().String(), "no Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			s := node(t, redisstore.Config{Address: test.address, Credentials: asDefault})
			down(t, soon(t, get(t, s)), test.hint)
			down(t, soon(t, update(t, s)), test.hint)
		})
	}
}

// TestServerHangs: whoever asks a server that does not answer waits once; those who
// come after fail at once.
func TestServerHangs(t *testing.T) {
	for name, test := range map[string]struct {
		hang, mend func(*testing.T, *Server)
	}{
		"frozen": {func(t *testing.T, s *Server) { check(t, s.Freeze()) }, func(t *testing.T, s *Server) { check(t, s.Thaw()) }},
		"paused": {func(t *testing.T, s *Server) { s.must(t, "CLIENT", "PAUSE", "2500", "ALL") }, func(*testing.T, *Server) {}},
	} {
		t.Run(name, func(t *testing.T) {
			server, s := working(t, Options{})
			test.hang(t, server)
			start := time.Now()
			down(t, soon(t, get(t, s)), "hangs")
			if took := time.Since(start); took < 500*time.Millisecond {
				t.Errorf("given up after %v", took)
			}
			start = time.Now()
			for range 1000 {
				if down(t, update(t, s)(), "hangs"); time.Since(start) > patience {
					break
				}
			}
			if took := time.Since(start); took > patience {
				t.Errorf("a thousand who came after took %v", took)
			}
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			time.Sleep(600 * time.Millisecond) // then one looks, for as long as he has
			if _, err := s.Get(short, key); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrDown) {
				t.Errorf("got %v", err)
			}
			test.mend(t, server)
			again(t, s)
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestServerRestarts: idle connections that have died unnoticed fail nobody who only
// reads, and nobody twice.
func TestServerRestarts(t *testing.T) {
	server, s := working(t, Options{Keep: true})
	check(t, s.Update(t.Context(), key, put("kept")))
	check(t, server.Kill())
	check(t, server.Restart())
	got, err := s.Get(t.Context(), key)
	if err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v after a restart", got, err)
	}
	check(t, server.Kill())
	down(t, soon(t, get(t, s)), "listens")
	down(t, soon(t, update(t, s)), "listens")
	check(t, server.Restart())
	again(t, s)
}

// TestNoFileDescriptors: the process has none left for a while (E-07).
func TestNoFileDescriptors(t *testing.T) {
	server := start(t, Options{})
	s := open(t, server)
	var before syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: before.Max}))
	err := get(t, s)()
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	down(t, err, "file descriptors")
	again(t, s)
}

// TestCallersEnd: a context that ends first is the caller's business, and takes no server
// out of service.
func TestCallersEnd(t *testing.T) {
	server, s := working(t, Options{})
	server.must(t, "CLIENT", "PAUSE", "600", "ALL")
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Get(short, key); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrDown) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if err := get(t, s)(); err != nil {
		t.Errorf("the next one got %v", err)
	}
}

// TestClose: nothing is left, and what is asked after it fails.
func TestClose(t *testing.T) {
	server, s := working(t, Options{})
	s.Close()
	s.Close()
	down(t, get(t, s)(), "")
	down(t, update(t, s)(), "")
	if got := server.must(t, "CLIENT", "LIST"); strings.Count(got, "\n") > 0 {
		t.Errorf("got clients\n%s, want the one that asks", got)
	}
}

// TestConnections: many at once take a bounded number of connections.
func TestConnections(t *testing.T) {
	server := start(t, Options{})
	s := open(t, server)
	done := make(chan error)
	for i := range 500 {
		go func() {
			done <- s.Update(t.Context(), store.Key{Kind: store.KindSession, Name: fmt.Sprint(i)}, put("x"))
		}()
	}
	for range 500 {
		check(t, <-done)
	}
	if got := strings.Count(server.must(t, "CLIENT", "LIST"), "\n") + 1; got > 65 {
		t.Errorf("got %d connections", got)
	}
}

// TestExamine: what works and will go wrong one day.
func TestExamine(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"well":      {[]string{"--appendonly", "yes"}, nil},
		"forgets":   {nil, []string{"restarted"}},
		"evicts":    {[]string{"--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, []string{"allkeys-lru"}},
		"unlimited": {[]string{"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, Options{Args: test.args})
			report, err := open(t, server).Examine(t.Context())
			if err != nil || !strings.HasPrefix(report.Version, "7.") || len(report.Findings) != len(test.want) {
				t.Fatalf("got %v, %v, want %v", report, err, test.want)
			}
			for i, want := range test.want {
				if got := report.Findings[i]; !strings.Contains(got.Text, want) || got.Hint == "" {
					t.Errorf("got %v, want %s", got, want)
				}
			}
			if got := server.must(t, "DBSIZE"); got != "0" {
				t.Errorf("left %s keys", got)
			}
		})
	}
}
