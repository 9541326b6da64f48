package diag

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// siteClient is an HTTP/1.1 client with one connection, as NTLM needs it.
type siteClient struct {
	http   *http.Client
	out    io.Writer
	target *url.URL
	reused bool // the last request went over the connection of the one before
}

// answer is what a site answers, with as much of its body as a person reads.
type answer struct {
	code       int
	status     string
	challenges []string
	header     http.Header
	body       string
	closes     bool

	certificate *x509.Certificate // the site's own; nil without TLS
}

// sitePatience is longer than any of a site's own deadlines.
const sitePatience = 30 * time.Second

func (c *siteCheck) client() (*siteClient, error) {
	config := &tls.Config{InsecureSkipVerify: c.insecure, NextProtos: []string{"http/1.1"}} //nolint:gosec // the user's own word
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &advice{fmt.Errorf("%s holds no certificate", c.ca), "--ca names a PEM file"}
		}
	}
	transport := &http.Transport{TLSClientConfig: config, MaxConnsPerHost: 1, DisableCompression: true}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &siteClient{http: &http.Client{Transport: transport, Timeout: sitePatience, CheckRedirect: stay}}, nil
}

func (c *siteClient) close() { c.http.CloseIdleConnections() }

// ask sends one request. credential is the Authorization header, or empty.
func (c *siteClient) ask(ctx context.Context, credential string) (*answer, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { c.reused = info.Reused }})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.target.String(), nil)
	if err != nil {
		return nil, err
	}
	if credential != "" {
		request.Header.Set("Authorization", credential)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &advice{fmt.Errorf("asking %s: %w", c.target.Host, err), "does the name resolve, does the site run, and is its certificate of an authority that --ca names?"}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.target.Host, err)
	}
	_, _ = io.Copy(io.Discard, response.Body) // the connection is needed again
	a := &answer{
		code: response.StatusCode, status: response.Status, challenges: response.Header.Values("Www-Authenticate"),
		header: response.Header, body: string(body), closes: response.Close,
	}
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		a.certificate = response.TLS.PeerCertificates[0]
	}
	return a, nil
}

func (c *siteClient) say(format string, args ...any) { say(c.out, format+"\n", args...) }

// offer asks without a credential, and gives the challenges; nil where the site
// asks for none.
func (c *siteClient) offer(ctx context.Context) (*answer, error) {
	a, err := c.ask(ctx, "")
	if err != nil {
		return nil, err
	}
	if a.code != http.StatusUnauthorized {
		c.say("leg 1, no credential: %s, no log-in is asked for", a.status)
		if to := a.header.Get("Location"); to != "" && a.code >= 300 && a.code < 400 {
			return nil, &advice{fmt.Errorf("%s sends its visitors on to %s before any log-in, and this does not follow", c.target.Host, to), "look whether that is the site that is meant, and check-site its URL"}
		}
		if a.code < 400 {
			return nil, nil
		}
		return nil, verdict(a, "")
	}
	c.say("leg 1, no credential: %s, offers %s", a.status, strings.Join(a.challenges, ", "))
	if via := a.header.Get("Via"); via != "" {
		c.say("       a proxy is on the way (Via: %s): NTLM does not work through one that shares connections", via)
	}
	return a, nil
}

func (c *siteClient) basic(ctx context.Context, offer *answer, name identity.Name, secret identity.Secret) (*answer, error) {
	if !has(offer.challenges, "Basic") {
		return nil, &advice{errors.New("the site does not offer Basic"), "it does so over HTTPS, or where insecure_basic stands; with --domain NTLM is tried"}
	}
	pair := name.String() + ":" + secret.Reveal()
	c.http.CloseIdleConnections() // over one that ends the transport would send the password again, and a wrong one would count twice
	a, err := c.ask(ctx, "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	if err != nil {
		return nil, err
	}
	c.say("leg 2, Basic: %s", a.status)
	return a, verdict(a, "Basic")
}

func (c *siteClient) ntlm(ctx context.Context, offer *answer, name identity.Name, secret identity.Secret) (*answer, error) {
	if !has(offer.challenges, "NTLM") {
		return nil, &advice{errors.New("the site does not offer NTLM"), "schemes may leave it out, and a proxy that shows itself turns it off; without --domain Basic is tried"}
	}
	client := &ntlm.Client{Domain: name.Domain, User: name.User, Password: secret.Reveal(), Now: time.Now()}
	first, err := c.ask(ctx, ntlmHeader(client.Negotiate()))
	if err != nil {
		return nil, err
	}
	challenge := typeTwo(first.challenges)
	if challenge == nil {
		c.say("leg 2, NTLM Type 1: %s, without a challenge", first.status)
		if first.code != http.StatusUnauthorized {
			return nil, verdict(first, "NTLM")
		}
		return nil, &no{&advice{errors.New("the site does not go on with NTLM"), "a proxy may share or close connections; the site's log names the reason"}}
	}
	c.say("leg 2, NTLM Type 1: %s, the challenge of %s", first.status, challenger(challenge))
	if first.closes {
		return nil, &advice{errors.New("the connection closes after the challenge, and NTLM needs it open"), "a proxy or the server turns keep-alive off"}
	}
	c.bind(client, first)
	authenticate, err := client.Authenticate(challenge)
	if err != nil {
		return nil, &advice{fmt.Errorf("the challenge cannot be answered: %w", err), "is it a proxy that sent it?"}
	}
	last, err := c.ask(ctx, ntlmHeader(authenticate))
	if err != nil {
		return nil, err
	}
	c.say("leg 3, NTLM Type 3: %s", last.status)
	if !c.reused && last.code >= 400 {
		return nil, &advice{errors.New("the connection was closed between the challenge and its answer"), "a proxy on the way, or handshake_timeout"}
	}
	return last, verdict(last, "NTLM")
}

func ntlmHeader(message []byte) string { return "NTLM " + base64.StdEncoding.EncodeToString(message) }

// typeTwo is the challenge among the headers, or nil.
func typeTwo(challenges []string) []byte {
	for _, text := range challenges {
		if token, ok := strings.CutPrefix(text, "NTLM "); ok {
			if message, err := base64.StdEncoding.DecodeString(token); err == nil {
				return message
			}
		}
	}
	return nil
}

// challenger names the domain and the server of a challenge.
func challenger(message []byte) string {
	c, err := ntlm.ParseChallenge(message)
	if err != nil {
		return "nobody: " + err.Error()
	}
	domain := c.TargetInfo.NbDomainName()
	if domain == "" {
		domain = c.TargetName
	}
	return strings.TrimSpace(domain + " " + c.TargetInfo.DNSComputerName())
}
