package netlogon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// challenges are the client's and the controller's.
func challenges(open []pdu) (client, server [8]byte) {
	return [8]byte(open[2].raw[len(open[2].raw)-8:]), [8]byte(open[3].raw[24:])
}

// TestWinbindHandshake: with winbind's challenge we say what winbind said, bytes for
// bytes, to agree on a key, and believe the controller that it knows the password.
// Two values are ours: how long fragments may be, and the flags that are asked for.
func TestWinbindHandshake(t *testing.T) {
	r, open, _ := ofWinbind(t)
	client, server := challenges(open)
	config, err := r.member(bytes.NewReader(client[:])).checked()
	if err != nil {
		t.Fatal(err)
	}
	var answers []byte
	for i, p := range open {
		binary.LittleEndian.PutUint32(p.raw[12:], uint32(i/2+1)) // we count calls from 1
		if i%2 == 1 {
			answers = append(answers, p.raw...)
		}
	}
	stream := &tape{Reader: bytes.NewReader(answers)}
	conn := dcerpc.New(stream)
	calls, err := conn.Bind(t.Context(), Interface, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := handshake(t.Context(), calls, config, r.hash())
	if err != nil {
		t.Fatal(err)
	}
	if want := sessionKey(r.hash(), client, server); s.key != want {
		t.Errorf("the key is another one")
	}
	binary.LittleEndian.PutUint32(open[0].raw[16:], 5840<<16|5840)
	binary.LittleEndian.PutUint32(open[4].raw[len(open[4].raw)-4:], flagsAsked)
	for i := 0; i < len(open); i += 2 {
		got, err := readPDU(&stream.heard)
		if err != nil || !bytes.Equal(got.raw, open[i].raw) {
			t.Errorf("PDU %d: got %x, %v, want %x", i, got.raw, err, open[i].raw)
		}
	}
}

// TestWinbindChannel: all that winbind and the controller say under seal opens with
// the key that the machine's password gives. Sealed once more with the confounder of
// the time, each message of winbind's is what it was, bytes for bytes, header and
// trailer signed with it; so is each NetrLogonSamLogonEx that we write of the same
// log-in; and of each answer we read what winbind did.
func TestWinbindChannel(t *testing.T) {
	r, open, sealed := ofWinbind(t)
	client, server := challenges(open)
	key := sessionKey(r.hash(), client, server)
	s := session{key: key, chain: credential(key, client)}
	random := new(bytes.Buffer)
	theirs, ours := &peer{sealer: newSealer(key, nil), signs: true}, newSealer(key, random)
	config, err := r.member(nil).checked()
	if err != nil {
		t.Fatal(err)
	}
	bound(t, config, sealed[0], sealed[1])
	answers := r.Answers
	for i := 2; i < len(sealed); i += 2 {
		request, answer := sealed[i], sealed[i+1]
		plain, ok := theirs.unseal(request)
		if !ok {
			t.Fatalf("PDU %d: the signature of winbind is another", i)
		}
		theirs.sequence++ // for the answer
		random.Write(confounderOf(key, request))
		at := len(request.raw) - request.signed
		resealed, signature, err := ours.Seal(bytes.Clone(plain), theirs.around(request.raw, request.signed))
		if err != nil || !bytes.Equal(resealed, request.raw[24:at-8]) || !bytes.Equal(signature, request.raw[at:]) {
			t.Fatalf("PDU %d: sealed once more: got %x %x, %v, want %x %x", i, resealed, signature, err, request.raw[24:at-8], request.raw[at:])
		}
		at = len(answer.raw) - answer.signed
		said, err := ours.Unseal(bytes.Clone(answer.raw[24:at-8]), theirs.around(answer.raw, answer.signed), answer.raw[at:])
		if err != nil {
			t.Fatalf("PDU %d: %v", i+1, err)
		}
		said = said[:len(said)-int(answer.raw[at-6])]
		stub := plain[:len(plain)-int(request.raw[len(request.raw)-request.signed-6])]
		switch request.opnum() {
		case getCapabilities.opnum:
			capable(t, &s, config, stub, said)
		case samLogonEx.opnum:
			l := sameLogon(t, config, stub)
			r.sameAnswer(t, l, said, answers[0])
			answers = answers[1:]
		}
	}
	if len(answers) != 0 {
		t.Errorf("winbind read %d answers more", len(answers))
	}
}

// bound: winbind's bind names domain and machine as ours does, and both sides sign
// headers.
func bound(t *testing.T, config *Config, ask, answer pdu) {
	t.Helper()
	p := &provider{domain: config.Domain, computer: config.Computer}
	token, err := p.Token()
	if want := ask.raw[len(ask.raw)-ask.signed:]; err != nil || !bytes.Equal(token, want) {
		t.Errorf("the token: got %x, %v, want %x", token, err, want)
	}
	if err := p.Accept(answer.raw[len(answer.raw)-answer.signed:]); err != nil {
		t.Errorf("the controller's token: %v", err)
	}
	const signsHeaders = 4
	if ask.raw[3]&answer.raw[3]&signsHeaders == 0 {
		t.Fatalf("flags %#x and %#x, want both to sign headers", ask.raw[3], answer.raw[3])
	}
}

// confounderOf is what was drawn for a message.
func confounderOf(key ntlm.Key, p pdu) []byte {
	signature := bytes.Clone(p.raw[len(p.raw)-p.signed:])
	number := signature[sequenceAt:checksumAt]
	newStream(key, signature[checksumAt:confounderAt]).decrypt(number)
	newStream(newSealer(key, nil).sealing, number).decrypt(signature[confounderAt:signatureEnd])
	return signature[confounderAt:signatureEnd]
}

// capable: the authenticators of NetrLogonGetCapabilities are those that we make and
// want, and what is asked is written as ours.
func capable(t *testing.T, s *session, config *Config, stub, said []byte) {
	t.Helper()
	// The verification trailer, as internal/dcerpc writes it where headers are signed.
	verified := unhex("8ae3137102f43671 01000400 01000000 02402800 785634123412cdabef0001234567cffb 01000000 045d888aeb1cc9119fe808002b104860 02000000")
	asked, ok := bytes.CutSuffix(stub, verified)
	if !ok {
		t.Errorf("got %x, want %x at its end", stub, verified)
	}
	at := len(asked) - 28
	seconds := binary.LittleEndian.Uint32(asked[at+8:])
	if got := s.step(seconds); !bytes.Equal(got[:], asked[at:at+8]) {
		t.Errorf("the authenticator: got %x, want %x", got, asked[at:at+8])
	}
	if got := s.step(1); !bytes.Equal(got[:], said[:8]) {
		t.Errorf("the controller's: got %x, want %x", got, said[:8])
	}
	var w ndr.Writer
	w.ZeroTerminated(config.server())
	w.Pointer(true)
	w.ZeroTerminated(config.Computer)
	w.Align(4)
	if got := w.Data(); !bytes.Equal(got, asked[:at]) {
		t.Errorf("the names: got %x, want %x", got, asked[:at])
	}
}

// sameLogon writes the log-in of a stub once more; nil is one that we never write, of
// somebody who sits at the machine. winbind numbers its log-ins where we write zeros.
func sameLogon(t *testing.T, config *Config, stub []byte) *Logon {
	t.Helper()
	r := ndr.NewReader(stub)
	for _, want := range []string{config.server(), config.Computer} {
		r.Pointer()
		if got := readTerminated(r); got != want {
			t.Errorf("got the name %q, want %q", got, want)
		}
	}
	if r.Uint16() != networkInformation {
		return nil
	}
	r.Uint16()
	r.Pointer()
	domain := r.String()
	r.Uint32()
	numberAt := len(stub) - r.Left()
	number := r.Bytes(8)
	user, workstation := r.String(), r.String()
	l := &Logon{Challenge: readEight(r)}
	for range 2 {
		r.Uint16()
		r.Uint16()
		r.Pointer()
	}
	l.Domain, l.User, l.Workstation = r.Text(domain), r.Text(user), r.Text(workstation)
	var lm []byte
	for _, response := range []*[]byte{&l.NTResponse, &lm} {
		r.Uint32()
		r.Uint32()
		*response = r.Bytes(uint64(r.Uint32()))
	}
	lmAt := len(stub) - r.Left() - len(lm)
	level := r.Uint16()
	if r.Uint32(); r.Err() != nil || r.Left() != 0 {
		t.Fatalf("%d bytes are left, %v", r.Left(), r.Err())
	}
	w, err := encodeLogon(config, l, level)
	if err != nil {
		t.Fatal(err)
	}
	got := w.Data()
	if written := got[numberAt : numberAt+8]; !bytes.Equal(written, make([]byte, 8)) {
		t.Errorf("we number the log-in %x", written)
	}
	copy(got[numberAt:], number)
	if len(lm) != noLMResponse || !bytes.Equal(got[lmAt:lmAt+noLMResponse], make([]byte, noLMResponse)) {
		t.Fatalf("an LM response of %d bytes, and ours is %x", len(lm), got[lmAt:lmAt+noLMResponse])
	}
	copy(got[lmAt:], lm) // which we send to nobody
	if !bytes.Equal(got, stub) {
		t.Errorf("%s: got %x, want %x", l.User, got, stub)
	}
	return l
}

// readTerminated reads a string of the form that ZeroTerminated writes.
func readTerminated(r *ndr.Reader) string {
	r.Uint32()
	r.Uint32()
	raw := r.Bytes(2 * uint64(r.Uint32()))
	text, _ := ndr.UTF16(raw[:max(0, len(raw)-2)])
	return text
}

// sameAnswer reads an answer and compares it with what winbind read. The session key
// of a log-in over the network, which winbind does not print, is the one that the
// password gives.
func (c channelOfWinbind) sameAnswer(t *testing.T, l *Logon, said []byte, want winbindRead) {
	t.Helper()
	v, err := decodeLogon(ndr.NewReader(said), levelSAMInfo4)
	var status *StatusError
	if errors.As(err, &status) {
		if name, _, _ := strings.Cut(status.Status.String(), " "); "NT_"+name != want.Result {
			t.Errorf("got %v, want %s", err, want.Result)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := winbindRead{
		Result: "NT_STATUS_OK", Account: v.EffectiveName, FullName: v.FullName, Server: v.LogonServer, Domain: v.LogonDomainName,
		DomainSID: v.LogonDomainID.String(), DNSDomain: v.DNSLogonDomainName, UPN: v.UPN, RID: v.UserID, PrimaryGID: v.PrimaryGroupID,
		UserFlags: v.UserFlags, Control: v.UserAccountControl, LogonCount: v.LogonCount, BadCount: v.BadPasswordCount, SIDs: [][]any{},
	}
	for _, g := range v.GroupIDs {
		got.Groups = append(got.Groups, [2]uint32{g.RID, g.Attributes})
	}
	for _, s := range v.ExtraSIDs {
		got.SIDs = append(got.SIDs, []any{s.SID.String(), float64(s.Attributes)})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if l == nil {
		return
	}
	hash := ntlm.NTOWFv2(l.User, l.Domain, ntlm.NTOWFv1(c.Passwords[l.User]))
	if v.UserSessionKey != ntlm.SessionBaseKey(hash, [16]byte(l.NTResponse)) {
		t.Errorf("%s: the session key is not the one of the password", l.User)
	}
}
