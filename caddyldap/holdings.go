package caddyldap

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// holdings are what a directory keeps when a configuration is loaded in which
// it stands unchanged: connections, identities, and what was learnt of servers
// and domain. The first configuration's Directory made them; its settings are
// those of all that share them.
type holdings struct {
	name     string
	servers  *servers
	service  *service // nil without a service account
	spare    *spare   // connections for the next password
	cache    *cache
	sought   *sought
	taught   *taught
	finer    *finer
	pace     pace     // of their answers to passwords
	seen     sync.Map // base DNs that were there
	domain   domainFacts
	lockouts lockouts
	trust    *tls.Config // of all servers; each has its own ServerName
	life     context.Context
	end      context.CancelFunc

	spawning   sync.Mutex // against Destruct
	background sync.WaitGroup

	voice  sync.Mutex
	maker  *zap.Logger
	voices []*zap.Logger // of the configurations that run, the newest last
}

// shelf keeps holdings over reloads, under a hash of the configuration that
// tells nobody the secrets in it.
type shelf struct {
	pool   *caddy.UsagePool
	secret [32]byte
	last   atomic.Uint64
}

// shelved outlives every configuration, like the metrics.
var shelved = newShelf()

func newShelf() *shelf {
	s := &shelf{pool: caddy.NewUsagePool()}
	_, _ = rand.Read(s.secret[:]) // never fails: crypto/rand ends the program instead
	return s
}

// place is where holdings are kept. Files that a configuration names, such as
// trust anchors, may change under it: then there is one more generation.
type place struct {
	print      [sha256.Size]byte
	generation uint64
}

// hold finds the holdings of a directory that has been there before, or makes
// new ones. release gives them back.
func (d *Directory) hold(config *tls.Config) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, shelved.secret[:])
	mac.Write([]byte(d.name + "\x00" + d.named + "\x00"))
	mac.Write(raw)
	at := shelved.find([sha256.Size]byte(mac.Sum(nil)), config.RootCAs)
	value, _, err := shelved.pool.LoadOrNew(at, func() (caddy.Destructor, error) { return d.newHoldings(config) })
	if err != nil {
		return err
	}
	d.holdings, d.place = value.(*holdings), at
	return nil
}

// find is the place of holdings that fit, or a free one.
func (s *shelf) find(print [sha256.Size]byte, roots *x509.CertPool) place {
	at := place{print, s.last.Add(1)}
	s.pool.Range(func(key, value any) bool {
		known := key.(place)
		if fits := known.print == print && value.(*holdings).trust.RootCAs.Equal(roots); fits {
			at = known
			return false
		}
		return true
	})
	return at
}

func (d *Directory) newHoldings(config *tls.Config) (*holdings, error) {
	h := &holdings{name: d.name, trust: config, maker: d.logger}
	h.life, h.end = context.WithCancel(context.Background())
	d.holdings = h
	h.servers = d.newServers()
	h.service, h.spare = d.newService(), d.newSpare()
	var err error
	if h.cache, err = d.newCache(); err != nil {
		return nil, err
	}
	if h.sought, err = d.newSought(); err != nil {
		return nil, err
	}
	if h.taught, err = newTaught(); err != nil {
		return nil, err
	}
	h.finer, err = newFiner()
	return h, err
}

// release gives the holdings back. It may be called more than once.
func (d *Directory) release() {
	d.releaseOnce.Do(func() {
		d.holdings.hush(d.logger)
		_, _ = shelved.pool.Delete(d.place) // Destruct never fails
	})
}

// Destruct implements caddy.Destructor: it ends what goes on in the background
// and waits for it.
func (h *holdings) Destruct() error {
	h.spawning.Lock()
	h.end()
	h.spawning.Unlock()
	if h.service != nil {
		h.service.close()
	}
	h.background.Wait()
	h.spare.close()
	h.cache.close()
	h.sought.close()
	h.taught.close()
	h.finer.close()
	return nil
}

// spawn runs something in the background, until Destruct at the latest. After
// that it still runs, with a context that has ended, so that nobody waits for
// its outcome in vain.
func (h *holdings) spawn(run func(context.Context)) {
	h.spawning.Lock()
	defer h.spawning.Unlock()
	if h.life.Err() != nil {
		go run(h.life)
		return
	}
	h.background.Go(func() { run(h.life) })
}

// later does something after a while, unless Destruct comes first.
func (h *holdings) later(while time.Duration, act func()) {
	time.AfterFunc(while, func() {
		if h.life.Err() == nil {
			act()
		}
	})
}

// speak has the lines about servers go to a configuration's logger, and hush
// ends that: a logger is of no use after its configuration.
func (h *holdings) speak(logger *zap.Logger) {
	h.voice.Lock()
	defer h.voice.Unlock()
	h.voices = append(h.voices, logger)
}

func (h *holdings) hush(logger *zap.Logger) {
	h.voice.Lock()
	defer h.voice.Unlock()
	h.voices = slices.DeleteFunc(h.voices, func(l *zap.Logger) bool { return l == logger })
}

func (h *holdings) log() *zap.Logger {
	h.voice.Lock()
	defer h.voice.Unlock()
	if len(h.voices) == 0 {
		return h.maker
	}
	return h.voices[len(h.voices)-1]
}

var _ caddy.Destructor = (*holdings)(nil)
