package krb

import (
	"errors"
	"testing"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/types"
)

// TestCriticalAuthorizationData: what restricts a ticket in a way that is not known
// here restricts it to nothing, RFC 4120 5.2.6; what may be passed over is.
func TestCriticalAuthorizationData(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	const unknown = 9999
	raw, err := asn1.Marshal(types.AuthorizationData{{ADType: unknown, ADData: []byte("x")}})
	wrapped := must(t, raw, err)
	entry := func(kind int32, data []byte) types.AuthorizationData {
		return types.AuthorizationData{{ADType: kind, ADData: data}}
	}
	for name, c := range map[string]struct {
		data types.AuthorizationData
		want error
	}{
		"none":                                  {nil, nil},
		"unknown, which may be passed over":     {entry(adIfRelevant, wrapped), nil},
		"unknown, for KDCs alone":               {entry(adMandatoryForKDC, wrapped), nil},
		"unknown":                               {entry(unknown, []byte("x")), ErrMalformed},
		"unknown, the second":                   {append(entry(adIfRelevant, wrapped), entry(unknown, nil)...), ErrMalformed},
		"a PAC that must not be passed over":    {entry(adWin2KPAC, []byte("pac")), ErrMalformed},
		"one of several (AND-OR)":               {entry(5, wrapped), ErrMalformed},
		"said to be the KDC's own (KDC-ISSUED)": {entry(4, wrapped), ErrMalformed},
	} {
		for where, put := range map[string]func(*forge){
			"the ticket":        func(f *forge) { f.Part.AuthorizationData = c.data },
			"the authenticator": func(f *forge) { f.Sent.AuthorizationData = c.data },
		} {
			f, a := newForge(noon, long), acceptorOf(noon, long)
			put(f)
			ticket, _, err := a.Accept(f.Token(t))
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%s, in %s: got %v, %v, want %v", name, where, ticket, err, c.want)
			}
		}
	}
}

// TestPACOfTheClientsOwn: what a client writes into its authenticator is no PAC of
// its ticket.
func TestPACOfTheClientsOwn(t *testing.T) {
	long := aKey(etypeAES256SHA1, 0x11)
	f, a := newForge(noon, long), acceptorOf(noon, long)
	f.PAC(t, []byte("pac"))
	f.Part.AuthorizationData, f.Sent.AuthorizationData = nil, f.Part.AuthorizationData
	if ticket, _, err := a.Accept(f.Token(t)); err != nil || ticket.PAC != nil {
		t.Errorf("got %v, %v, want a ticket without a PAC", ticket, err)
	}
}
