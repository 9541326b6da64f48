package smb2

import (
	"errors"
	"testing"
)

// TestBuffer: where offset and length may point.
func TestBuffer(t *testing.T) {
	b := body{name: "test", msg: append(make([]byte, 100), 1)[:100], size: 80}
	for _, c := range []struct {
		offset, length uint64
		ok             bool
	}{
		{80, 20, true}, {99, 1, true}, {0, 0, true}, {1 << 32, 0, true},
		{80, 21, false}, {100, 1, false}, {79, 1, false}, {0, 1, false}, {1<<32 - 1, 1<<32 - 1, false},
	} {
		if got, err := b.buffer("field", c.offset, c.length); (err == nil) != c.ok || c.ok && uint64(len(got)) != c.length {
			t.Errorf("%d, %d: got %d bytes, %v, want %v", c.offset, c.length, len(got), err, c.ok)
		}
	}
}

// TestIOCtlAnswer: another code's, and one that is longer than was asked for.
func TestIOCtlAnswer(t *testing.T) {
	msg := again(buildIOCtl(fsctlValidateNegotiate, make([]byte, 10)))
	for _, c := range []struct {
		name    string
		code, n uint32
		ok      bool
	}{
		{"as asked", fsctlValidateNegotiate, 10, true},
		{"another code", fsctlValidateNegotiate + 4, 10, false},
		{"too long", fsctlValidateNegotiate, 9, false},
	} {
		if got, err := parseIOCtl(msg, c.code, c.n); (err == nil) != c.ok || c.ok && len(got) != 10 {
			t.Errorf("%s: got %d bytes, %v", c.name, len(got), err)
		}
	}
}

// TestManyContexts: a list is bounded.
func TestManyContexts(t *testing.T) {
	n := &negotiated{dialect: SMB311}
	for i := range maxContexts + 1 {
		_, err := parseNegotiate(again(buildNegotiate(n)))
		if err != nil {
			t.Errorf("%d contexts: %v", i, err)
		}
		n.contexts = append(n.contexts, negotiateContext{kind: 0x100})
	}
	if _, err := parseNegotiate(again(buildNegotiate(n))); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want %v", err, ErrMalformed)
	}
}

// TestContexts: what a server of dialect 3.1.1 picks must have been offered, once.
func TestContexts(t *testing.T) {
	preauth := negotiateContext{contextPreauth, []byte{1, 0, 0, 0, hashSHA512, 0}}
	for _, c := range []struct {
		name     string
		contexts []negotiateContext
		signing  signingAlgorithm
		ok       bool
	}{
		{"the least", []negotiateContext{preauth}, signAESCMAC, true},
		{"GMAC", []negotiateContext{preauth, {contextSigning, []byte{1, 0, 2, 0}}}, signAESGMAC, true},
		{"unknown ones", []negotiateContext{{0x100, nil}, preauth, {0x100, nil}}, signAESCMAC, true},
		{"no cipher", []negotiateContext{preauth, {contextEncryption, []byte{1, 0, 0, 0}}}, signAESCMAC, true},
		{"none", nil, 0, false},
		{"twice", []negotiateContext{preauth, preauth}, 0, false},
		{"another hash", []negotiateContext{{contextPreauth, []byte{1, 0, 0, 0, 2, 0}}}, 0, false},
		{"two hashes", []negotiateContext{{contextPreauth, []byte{2, 0, 0, 0, 1, 0, 2, 0}}}, 0, false},
		{"half a hash", []negotiateContext{{contextPreauth, []byte{1, 0, 0, 0, 1}}}, 0, false},
		{"CCM, not offered", []negotiateContext{preauth, {contextEncryption, []byte{1, 0, 1, 0}}}, 0, false},
		{"HMAC, not offered", []negotiateContext{preauth, {contextSigning, []byte{1, 0, 0, 0}}}, 0, false},
		{"an empty one", []negotiateContext{preauth, {contextSigning, nil}}, 0, false},
	} {
		n := &negotiated{contexts: c.contexts}
		if err := n.choose(); (err == nil) != c.ok || c.ok && n.signing != c.signing || !c.ok && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v, want %v", c.name, n.signing, err, c.ok)
		}
	}
}
