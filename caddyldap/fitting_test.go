package caddyldap

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// fittingFilters are filters about the demo's alice, and what holds of her.
var fittingFilters = map[string]identity.Fit{
	"(department=web)": identity.FitYes,
	"(department=HR)":  identity.FitNo,
	"(title=*)":        identity.FitNo, // she has none
	"(!(title=*))":     identity.FitYes,
	"(&(department=Web)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))": identity.FitYes,
	"(|(department=HR)(sAMAccountName=al*ce))":                             identity.FitYes,
	"(&(objectCategory=person)(primaryGroupID=513)(primaryGroupID=*))":     identity.FitYes,
	"(!(memberOf=<SID=S-1-5-32-544>))":                                     identity.FitUnknown, // the demo reads no such DN in a filter
	// What the directory does not know is never a yes, nor is its negation.
	"(departmint=web)":                              identity.FitUnknown,
	"(!(departmint=web))":                           identity.FitUnknown,
	"(|(department=web)(departmint=web))":           identity.FitUnknown,
	"(tokenGroups=*)":                               identity.FitUnknown, // constructed
	"(department:2.5.13.5:=web)":                    identity.FitUnknown, // a rule that Active Directory has not
	"(!(primaryGroupID=5*))":                        identity.FitUnknown,
	"(!(memberOf=CN=Staff*))":                       identity.FitUnknown,
	"(!(userAccountControl=many))":                  identity.FitUnknown, // no number
	"(sAMAccountName:1.2.840.113556.1.4.1941:=x)":   identity.FitUnknown, // no DN
	"(!(memberOf:1.2.840.113556.1.4.1941:=nobody))": identity.FitUnknown,
}

// patient is for tests that are not about time: on a busy machine a connection may
// take longer than the usual second and a half.
func patient() *Timeout {
	return &Timeout{Dial: caddy.Duration(overall), Request: caddy.Duration(overall)}
}

// TestFittings: the directory's own answers about filters, by each way to log in
// and after a refresh.
func TestFittings(t *testing.T) {
	s := startDemo(t, func(c *demodir.Config) { c.Users[0].Attributes = map[string][]string{"department": {"Web"}} })
	config := demoDirectory(s)
	config.Timeout = patient()
	d, logs := open(t, config, "EXAMPLE")
	for text := range fittingFilters {
		if err := d.want(Wants{Filters: []string{text, text}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(d.filters); got != len(fittingFilters) {
		t.Errorf("got %d filters, want each once: %d", got, len(fittingFilters))
	}
	for way, id := range everyWay(t, d, "alice") {
		for text, want := range fittingFilters {
			if got := id.Fits(text); got != want {
				t.Errorf("%s %s: got %v, want %v", way, text, got, want)
			}
		}
		if got := id.Fits("(mail=*)"); got != identity.FitUnknown {
			t.Errorf("%s: a filter that nobody asked: got %v, want unknown", way, got)
		}
		if values, known := id.Attribute("mail"); !known || len(values) != 1 {
			t.Errorf("%s: got mail %q, %v, want it as without filters", way, values, known)
		}
	}
	told := map[string]int{}
	for _, line := range logs.FilterMessageSnippet("a filter of a rule has no answer").All() {
		told[line.ContextMap()["filter"].(string)]++
	}
	for text, want := range fittingFilters {
		if got := told[text]; (got == 1) != (want == identity.FitUnknown) || got > 1 {
			t.Errorf("%s: told %d times", text, got)
		}
	}
}

// TestFittingNeedsAnswer: a server that will not say leaves the answer open; one
// that has no time, or is gone, gives nobody an identity.
func TestFittingNeedsAnswer(t *testing.T) {
	d, _ := open(t, &Directory{Server: []Server{{URL: "ldaps://127.0.0.1"}}}, "EXAMPLE")
	if err := d.want(Wants{Filters: []string{"(department=Web)"}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		code   int64
		failed bool
	}{
		"neither fits": {ldap.LDAPResultSuccess, false}, "time limit": {ldap.LDAPResultTimeLimitExceeded, false},
		"matching": {ldap.LDAPResultInappropriateMatching, false}, "rights": {ldap.LDAPResultInsufficientAccessRights, false},
		"no entry": {ldap.LDAPResultNoSuchObject, false}, "will not": {ldap.LDAPResultUnwillingToPerform, false},
		"busy": {ldap.LDAPResultBusy, true}, "unavailable": {ldap.LDAPResultUnavailable, true},
	} {
		for _, root := range []rootDSE{{}, {ad: true, config: "CN=Configuration,DC=example,DC=test"}} {
			fit, err := d.fitting(t.Context(), refusing(t, d.servers.list[0], ldap.ApplicationSearchResultDone, c.code), root, d.filters[0], "CN=Alice")
			if fit != identity.FitUnknown || (err != nil) != c.failed {
				t.Errorf("%s: got %v, %v, want unknown, failed %v", name, fit, err, c.failed)
			}
		}
	}
	gone := refusing(t, d.servers.list[0], ldap.ApplicationSearchResultDone, 0)
	gone.close()
	if fit, err := d.fitting(t.Context(), gone, rootDSE{}, d.filters[0], "CN=Alice"); fit != identity.FitUnknown || err == nil {
		t.Errorf("gone: got %v, %v, want a failure", fit, err)
	}
}

// TestFiltersAreBounded: each is a question at every log-in.
func TestFiltersAreBounded(t *testing.T) {
	a := &App{Directories: map[string]*Directory{"EXAMPLE": new(Directory)}}
	for i := range maxFilters {
		if err := a.Want(Wants{Filters: []string{"(title=" + strings.Repeat("x", i+1) + ")", "(title=x)"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Want(Wants{Filters: []string{"(title=x)"}}); err != nil {
		t.Errorf("one that is known: got %v", err)
	}
	if err := a.Want(Wants{Filters: []string{"(mail=*)"}}); err == nil {
		t.Errorf("more than %d filters are taken", maxFilters)
	}
}

// TestWantReachesEveryDirectory: of the configuration and of the short form, those
// that are described later too; each is told once.
func TestWantReachesEveryDirectory(t *testing.T) {
	a := &App{Directories: map[string]*Directory{"EXAMPLE": {Server: []Server{{URL: "ldaps://127.0.0.1:1"}}}}, Log: zap.NewNop()}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := a.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Cleanup() })
	short := func(url string) *Directory {
		t.Helper()
		d, err := a.Adopt(ctx, &Directory{Server: []Server{{URL: url}}})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := short("ldaps://127.0.0.1:2")
	for range 2 { // a site, and a part of it
		if err := a.Want(WantsOf(policy.Rule{Any: []policy.Rule{{Filter: "(department=Web)"}, {Attribute: &policy.Attribute{Name: "title", Value: "x"}}}})); err != nil {
			t.Fatal(err)
		}
	}
	for name, d := range map[string]*Directory{"named": a.Directories["EXAMPLE"], "short": before, "short again": short("ldaps://127.0.0.1:2"), "later": short("ldaps://127.0.0.1:3")} {
		if len(d.filters) != 1 || d.filters[0].text != "(department=Web)" || !slices.Contains(d.reading.account, "title") {
			t.Errorf("%s: got filters %v and attributes %v, want what the rule asks about", name, d.filters, d.reading.account)
		}
	}
}
