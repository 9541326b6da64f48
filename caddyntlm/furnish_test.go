package caddyntlm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

func TestSettle(t *testing.T) {
	plain := func() *fakeDirectory { return newFakeDirectory("EXAMPLE") }
	only := func(ntlm, passwords bool) *fakeDirectory {
		d := plain()
		d.noNTLM, d.noPasswords = !ntlm, !passwords
		return d
	}
	signing := func(ntlm bool) *fakeDirectory {
		d := only(ntlm, true)
		d.signs = true
		return d
	}
	tests := []struct {
		name    string
		handler Handler
		dir     *fakeDirectory
		offered string // as fmt prints it
		wantErr string
	}{
		{"default", Handler{}, plain(), "[ntlm basic]", ""},
		{"passwords only", Handler{}, only(false, true), "[basic]", ""},
		{"NTLM only", Handler{}, only(true, false), "[ntlm]", ""},
		{"order", Handler{Schemes: []string{"basic", "ntlm"}}, plain(), "[basic ntlm]", ""},
		{"nothing served", Handler{}, only(false, false), "", "no verifier of EXAMPLE serves any scheme"},
		{"NTLM not served", Handler{Schemes: []string{"ntlm"}}, only(false, true), "", "no verifier of EXAMPLE serves ntlm"},
		{"negotiate where it is named", Handler{Schemes: []string{"negotiate", "ntlm", "basic"}}, plain(), "[negotiate ntlm basic]", ""},
		{"with signing", Handler{}, signing(true), "[negotiate ntlm basic]", ""},
		{"with signing, NTLM not served", Handler{}, signing(false), "[basic]", ""},
		{"negotiate alone", Handler{Schemes: []string{"negotiate"}}, only(true, false), "[negotiate]", ""},
		{"negotiate not served", Handler{Schemes: []string{"negotiate"}}, only(false, true), "", "no verifier of EXAMPLE serves negotiate"},
		{"unknown scheme", Handler{Schemes: []string{"kerberos"}}, plain(), "", "unknown scheme kerberos"},
		{"capitals", Handler{Schemes: []string{"NTLM"}}, plain(), "", "unknown scheme NTLM"},
		{"twice", Handler{Schemes: []string{"ntlm", "ntlm"}}, plain(), "", "twice"},
		{"username", Handler{Username: &Username{Format: "mail"}}, plain(), "", "unknown format mail"},
		{"realm", Handler{Realm: "a\r\nb"}, plain(), "", "control character"},
		{"rule", Handler{Require: &policy.Rule{None: []policy.Rule{{ValidUser: true}}}}, plain(), "", "require:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.handler.settle([]directory{tt.dir})
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %v, want %q", err, tt.wantErr)
				}
				return
			}
			if got := fmt.Sprint(tt.handler.offered); err != nil || got != tt.offered {
				t.Errorf("got %s, %v, want %s", got, err, tt.offered)
			}
		})
	}
}

func TestSeveralDirectories(t *testing.T) {
	first, second := newFakeDirectory("FIRST"), newFakeDirectory("SECOND")
	first.noNTLM = true
	first.accepts = func(n identity.Name) bool { return n.Domain == "FIRST" }
	second.accepts = func(n identity.Name) bool { return n.Domain == "SECOND" }
	h := &Handler{}
	if err := h.settle([]directory{first, second}); err != nil {
		t.Fatal(err)
	}
	if h.ntlm != second {
		t.Error("NTLM is not served by the first directory that can")
	}
	for _, tt := range []struct {
		typed string
		want  directory
	}{{`SECOND\alice`, second}, {`FIRST\alice`, first}, {"alice", first}, {`OTHER\alice`, first}} {
		if got := h.passwordDirectory(identity.ParseName(tt.typed)); got != tt.want {
			t.Errorf("%s: got %s", tt.typed, got.Name())
		}
	}
	if err := h.settle([]directory{first, first}); err == nil {
		t.Error("got no error for a directory named twice")
	}
}
