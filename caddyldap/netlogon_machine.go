package caddyldap

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/netlogon"
)

// machine is a machine account in the domain and its channels, over reloads. All
// directories that log in by one account share it: a controller remembers one
// negotiation of an account at a time.
type machine struct {
	account string
	key     string
	judges  func(netlogon.Config) (judge, error)

	roster

	learning     chan struct{} // held by the one that learns, and guards, what follows
	domain       identity.SID  // of the account, see home
	refused      error         // why it is not known
	refusedUntil time.Time

	// Under roster.mu.
	voices      []*secretSource // of the configurations that run, the newest last
	controllers map[string]*controller
}

// secretSource is where a configuration says that the password is.
type secretSource struct{ whose, text string }

func (s *secretSource) read() (identity.Secret, error) { return ReadSecret(s.whose, s.text) }

// machines are those of all configurations.
var machines = caddy.NewUsagePool()

// enlist finds the machine of an account in a domain, or makes it. dismiss gives it
// back.
func enlist(account, domain string, voice *secretSource) (*machine, error) {
	key := strings.ToUpper(domain + `\` + account)
	made, _, err := machines.LoadOrNew(key, func() (caddy.Destructor, error) {
		m := &machine{account: account, key: key, judges: newJudge, controllers: make(map[string]*controller), learning: make(chan struct{}, 1)}
		m.roster = roster{word: nameNetlogon, done: decided, unfit: cannotServe, dead: func(addr string, err error) *identity.Error {
			return explainNetlogon(addr, account, &netlogon.ChannelError{Server: addr, Err: err})
		}}
		m.begin()
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	m := made.(*machine)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.voices = append(m.voices, voice)
	return m, nil
}

// dismiss ends what one configuration has with the machine.
func (m *machine) dismiss(voice *secretSource) error {
	m.mu.Lock()
	m.voices = slices.DeleteFunc(m.voices, func(v *secretSource) bool { return v == voice })
	m.mu.Unlock()
	_, err := machines.Delete(m.key)
	return err
}

// Destruct implements caddy.Destructor: it ends all channels and log-ins.
func (m *machine) Destruct() error {
	m.end()
	m.mu.Lock()
	all := m.controllers
	m.controllers = nil
	m.mu.Unlock()
	for _, c := range all {
		_ = c.client.Close()
	}
	m.finish()
	return nil
}

// secret is the account's password as it is now, by the newest configuration.
func (m *machine) secret() ([]byte, error) {
	m.mu.Lock()
	if len(m.voices) == 0 {
		m.mu.Unlock()
		return nil, netlogon.ErrClosed
	}
	voice := m.voices[len(m.voices)-1]
	m.mu.Unlock()
	secret, err := voice.read()
	return []byte(secret.Reveal()), err
}

// judge has log-ins decided by one controller, as a netlogon.Client does.
type judge interface {
	LogOn(ctx context.Context, l *netlogon.Logon) (*netlogon.Validation, error)
	Running() int
	Close() error
}

// newJudge makes one, which connects to nobody yet.
func newJudge(config netlogon.Config) (judge, error) {
	c, err := netlogon.NewClient(config, 0, 0)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// mapperPort is the endpoint mapper's, [MS-RPCE] 2.1.1.1.
const mapperPort = "135"

// mapper is the address of a server's endpoint mapper.
func (sv *server) mapper() string { return net.JoinHostPort(sv.url.Host, mapperPort) }

// controllersOf are those of a directory, in its order.
func (m *machine) controllersOf(ctx context.Context, d *Directory) ([]*controller, error) {
	var list []*controller
	for _, sv := range d.servers.all() {
		c, err := m.controller(ctx, d, sv)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list, nil
}

func (m *machine) controller(ctx context.Context, d *Directory, sv *server) (*controller, error) {
	domain := d.netBIOS()
	key := strings.ToUpper(sv.url.Host + " " + domain)
	m.mu.Lock()
	known, closed := m.controllers[key], m.controllers == nil
	if known != nil {
		known.named = d.now()
	}
	m.mu.Unlock()
	switch {
	case closed:
		return nil, identity.Fail(identity.KindUnavailable, netlogon.ErrClosed)
	case known != nil:
		return known, nil
	}
	connect := m.connector(d, sv.url.Host, domain, (&net.Dialer{Timeout: d.dialTimeout()}).DialContext)
	c := &controller{addr: sv.mapper(), greet: greeting(connect), tests: make(chan struct{}, 1)}
	client, err := m.judges(netlogon.Config{
		Server: d.nameOfController(ctx, sv), Domain: domain, Account: m.account, Secret: m.secret, Connect: connect, Now: d.now,
		Opened: func(ctx context.Context, err error) { d.metrics.channelOpened(ctx, m, c, err) },
	})
	if err != nil {
		return nil, explainNetlogon(c.addr, m.account, err)
	}
	c.client, c.named = client, d.now()
	defer m.dropUnnamed(c.named)
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.controllers[key]; known != nil {
		return known, client.Close() // somebody else was faster
	}
	if m.controllers == nil {
		return nil, identity.Fail(identity.KindUnavailable, netlogon.ErrClosed)
	}
	m.controllers[key] = c
	return c, nil
}

// unnamedFor is how long a controller is kept that no server line and no DNS names: longer
// than any is asked.
const unnamedFor = time.Hour

// dropUnnamed forgets controllers that nobody has named for long, and ends their channels:
// discovery may name others each day.
func (m *machine) dropUnnamed(now time.Time) {
	var gone []*controller
	m.mu.Lock()
	for key, c := range m.controllers {
		if now.Sub(c.named) >= unnamedFor && c.client.Running() == 0 {
			delete(m.controllers, key)
			gone = append(gone, c)
		}
	}
	m.mu.Unlock()
	for _, c := range gone {
		_ = c.client.Close()
	}
}

// nameOfController is what calls name it by: where the server line has an address,
// what the controller calls itself, if it says so soon.
func (d *Directory) nameOfController(ctx context.Context, sv *server) string {
	if net.ParseIP(sv.url.Host) == nil {
		return sv.url.Host
	}
	ctx, cancel := context.WithTimeout(ctx, firstController/2)
	defer cancel()
	if host, err := d.hostOf(ctx, sv); err == nil {
		return host
	}
	return sv.url.Host
}

var _ caddy.Destructor = (*machine)(nil)
