package caddyldap

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/shelf"
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

	spawning   sync.Mutex // against Close
	background sync.WaitGroup

	voice  sync.Mutex
	maker  *zap.Logger
	voices []*zap.Logger // of the configurations that run, the newest last
}

// shelved outlives every configuration, like the metrics.
var shelved = shelf.New[*holdings]()

// hold finds the holdings of a directory that has been there before, or makes
// new ones. release gives them back.
func (d *Directory) hold(config *tls.Config) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	raw = append([]byte(d.name+"\x00"+d.named+"\x00"), raw...)
	fits := func(h *holdings) bool { return h.trust.RootCAs.Equal(config.RootCAs) }
	d.holdings, d.unhold, err = shelved.Hold(raw, fits, func() (*holdings, error) { return d.newHoldings(config) })
	return err
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
		_ = d.unhold() // Close never fails
	})
}

// Close implements shelf.Thing: it ends what goes on in the background and waits
// for it.
func (h *holdings) Close() error {
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

// spawn runs something in the background, until Close at the latest. After
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

// later does something after a while, unless Close comes first.
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
