package netlogon

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/dcerpc"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
)

func status(s ntstatus.Status) func(error) bool {
	return func(err error) bool {
		var got *StatusError
		return errors.As(err, &got) && got.Status == s
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func faulty(want uint32) func(error) bool {
	return func(err error) bool {
		var got *dcerpc.Fault
		return errors.As(err, &got) && got.Status == want
	}
}

// TestOpenRefuses: no channel comes of a controller that does not prove itself, that
// agrees to less than AES, or with whom somebody else has agreed.
func TestOpenRefuses(t *testing.T) {
	flags := func(change func(uint32) uint32) func([8]byte, uint32) ([8]byte, uint32, ntstatus.Status) {
		return func(c [8]byte, f uint32) ([8]byte, uint32, ntstatus.Status) { return c, change(f), 0 }
	}
	proof := func(change func([8]byte) [8]byte) func([8]byte, uint32) ([8]byte, uint32, ntstatus.Status) {
		return func(c [8]byte, f uint32) ([8]byte, uint32, ntstatus.Status) { return change(c), f, 0 }
	}
	says := func(s ntstatus.Status) func([8]byte, uint32) ([8]byte, uint32, ntstatus.Status) {
		return func([8]byte, uint32) ([8]byte, uint32, ntstatus.Status) { return [8]byte{}, 0, s }
	}
	for name, c := range map[string]struct {
		dc   script
		want func(error) bool
	}{
		"another password":      {script{hash: ntlm.NTOWFv1("another"), authenticate: proof(func(c [8]byte) [8]byte { return c })}, is(ErrServerCredential)},
		"zero credential":       {script{authenticate: proof(func([8]byte) [8]byte { return [8]byte{} })}, is(ErrServerCredential)},
		"credential one off":    {script{authenticate: proof(func(c [8]byte) [8]byte { c[7] ^= 1; return c })}, is(ErrServerCredential)},
		"zero challenge":        {script{challenge: func([8]byte) [8]byte { return [8]byte{} }}, is(ErrWeakChallenge)},
		"five bytes alike":      {script{challenge: func([8]byte) [8]byte { return [8]byte{9, 9, 9, 9, 9, 1, 2, 3} }}, is(ErrWeakChallenge)},
		"our own challenge":     {script{challenge: func(c [8]byte) [8]byte { return c }}, is(ErrWeakChallenge)},
		"no AES":                {script{authenticate: flags(func(f uint32) uint32 { return f &^ flagAES })}, is(ErrNoAES)},
		"no sealing":            {script{authenticate: flags(func(f uint32) uint32 { return f &^ flagSealed })}, is(ErrNoAES)},
		"no strong keys":        {script{authenticate: flags(func(f uint32) uint32 { return f &^ flagStrongKeys })}, is(ErrNoAES)},
		"no flags":              {script{authenticate: flags(func(uint32) uint32 { return 0 })}, is(ErrNoAES)},
		"more than we asked":    {script{authenticate: flags(func(f uint32) uint32 { return f | 0x80000000 })}, is(ErrNoAES)},
		"wrong password":        {script{authenticate: says(ntstatus.AccessDenied)}, status(ntstatus.AccessDenied)},
		"unknown machine":       {script{authenticate: says(ntstatus.NoTrustSAMAccount)}, status(ntstatus.NoTrustSAMAccount)},
		"clock":                 {script{authenticate: says(ntstatus.TimeDifferenceAtDC)}, status(ntstatus.TimeDifferenceAtDC)},
		"downgrade":             {script{authenticate: says(ntstatus.DowngradeDetected)}, status(ntstatus.DowngradeDetected)},
		"capabilities differ":   {script{capabilities: func(f uint32) (uint32, ntstatus.Status) { return f &^ 1, 0 }}, is(ErrDowngrade)},
		"no capabilities":       {script{capabilities: func(f uint32) (uint32, ntstatus.Status) { return f, ntstatus.NotImplemented }}, is(ErrDowngrade)},
		"capabilities denied":   {script{capabilities: func(f uint32) (uint32, ntstatus.Status) { return f, ntstatus.AccessDenied }}, is(ErrDowngrade)},
		"return authenticator":  {script{returned: func(c [8]byte) [8]byte { c[0] ^= 1; return c }}, is(ErrServerCredential)},
		"no sealing in fact":    {script{plain: true}, is(dcerpc.ErrProtocol)},
		"no token":              {script{token: []byte{1, 0, 0}}, is(ErrToken)},
		"our token":             {script{token: []byte{0, 0, 0, 0, 3, 0, 0, 0}}, is(ErrToken)},
		"headers not signed":    {script{bound: func(ack []byte) { ack[3] &^= 4 }}, is(io.EOF)},
		"and said to be":        {script{bare: true, bound: func(ack []byte) { ack[3] |= 4 }}, is(io.EOF)},
		"fault for a challenge": {script{fault: onCall(reqChallenge, 5)}, faulty(5)},
		"fault for a proof":     {script{fault: onCall(authenticate3, dcerpc.FaultBadStubData)}, faulty(dcerpc.FaultBadStubData)},
		"fault for what it can": {script{fault: onCall(getCapabilities, dcerpc.FaultProcedure)}, faulty(dcerpc.FaultProcedure)},
	} {
		t.Run(name, func(t *testing.T) {
			dc := &controller{script: c.dc}
			config := dc.config(t)
			ch, err := Open(t.Context(), config)
			var channel *ChannelError
			if ch != nil || !errors.As(err, &channel) || !c.want(err) {
				t.Errorf("got %v", err)
			}
			if ch != nil {
				_ = ch.Close()
			}
			if err != nil && (!strings.Contains(err.Error(), config.Server) || strings.Contains(err.Error(), password)) {
				t.Errorf("got %q, want the controller's name in it and no password", err)
			}
		})
	}
}

// TestOurChallenge: none that a controller takes for an attack is sent, and a source
// of random bytes that gives nothing else is an error.
func TestOurChallenge(t *testing.T) {
	good := []byte("\x01\x02\x03\x04\x05\x06\x07\x08")
	if got, err := drawChallenge(bytes.NewReader(append(make([]byte, 8), good...))); err != nil || !bytes.Equal(got[:], good) {
		t.Errorf("got %x, %v, want the second eight bytes", got, err)
	}
	for name, random := range map[string][]byte{"zeros": make([]byte, 8*20), "few": make([]byte, 12)} {
		if got, err := drawChallenge(bytes.NewReader(random)); err == nil {
			t.Errorf("%s: got %x", name, got)
		}
	}
}

// spoilt changes the PDUs of an answer on the way.
func spoilt(change func(pdu []byte)) func(int, []byte) []byte {
	return func(n int, answer []byte) []byte {
		if n > 0 { // the first asks for capabilities
			change(answer)
		}
		return answer
	}
}

// TestLogOnRefuses: none of these lets anybody in.
func TestLogOnRefuses(t *testing.T) {
	says := func(answer []byte) func(int, uint16) []byte { return func(int, uint16) []byte { return answer } }
	const signatureAt = signatureLen // so far from the end
	var former []byte
	for name, c := range map[string]struct {
		dc   script
		want func(error) bool
	}{
		"guest flag":               {script{decide: says(with(yes(), atUserFlags, 0x121))}, is(ErrGuest)},
		"RID 501":                  {script{decide: says(with(yes(), atUserID, 501))}, is(ErrGuest)},
		"LM response":              {script{decide: says(with(yes(), atUserFlags, 0x128))}, is(ErrLMKey)},
		"no name":                  {script{decide: says(bytes.Clone(recorded()["nobody"].answer))}, is(ErrNobody)},
		"no RID":                   {script{decide: says(with(yes(), atUserID, 0))}, is(ErrNobody)},
		"no domain":                {script{decide: says(bytes.Replace(yes(), unhex("0105000000000005 15000000 c7353a42"), unhex("0105000000000005 20000000 c7353a42"), -1))}, nil},
		"BUILTIN":                  {script{decide: says(bytes.Replace(yes(), unhex("0104000000000005 15000000"), unhex("0104000000000005 20000000"), 1))}, is(ErrNobody)},
		"nobody at all":            {script{decide: says(no(6, 0))}, is(ErrNobody)},
		"no session key":           {script{decide: says(append(append(yes()[:atSessionKey], make([]byte, 16)...), yes()[atSessionKey+16:]...))}, is(ErrNoSessionKey)},
		"another level":            {script{decide: says(bytes.Clone(recorded()["NetrLogonSamLogonEx 3"].answer))}, is(ErrMalformed)},
		"another level, same form": {script{decide: says(with(yes(), 0, 3))}, is(ErrMalformed)},
		"groups promised":          {script{decide: says(with(bytes.Replace(yes(), unhex("02000000 01020000 07000000 60040000 07000000"), nil, 1), atGroupCount+4, 0))}, is(ErrMalformed)},
		"yes and a no":             {script{decide: says(with(yes(), len(yes())-4, uint32(ntstatus.WrongPassword)))}, status(ntstatus.WrongPassword)},
		"a warning":                {script{decide: says(with(yes(), len(yes())-4, 0x80000005))}, status(0x80000005)},
		"cut":                      {script{decide: says(yes()[:300])}, is(ErrMalformed)},
		"empty":                    {script{decide: says(nil)}, is(ErrMalformed)},
		"a huge count":             {script{decide: says(bytes.Replace(yes(), unhex("02000000 01020000 07000000"), unhex("ffffff7f 01020000 07000000"), 1))}, is(ErrMalformed)},
		"a lying count":            {script{decide: says(with(yes(), atGroupCount, 1))}, is(ErrMalformed)},
		"groups of none":           {script{decide: says(with(yes(), atGroupCount+4, 0))}, is(ErrMalformed)},
		"10,000 groups":            {script{decide: says(crowd(10000))}, is(ErrMalformed)},
		"10,000 groups of others":  {script{decide: says(strangers(10000))}, is(ErrMalformed)},
		"a huge count of others":   {script{decide: says(with(yes(), atSIDs, 0x7FFFFFFF))}, is(ErrMalformed)},
		"a lying count of others":  {script{decide: says(with(yes(), atSIDCount, 3))}, is(ErrMalformed)},
		"others of none":           {script{decide: says(with(yes(), atSIDCount+4, 0))}, is(ErrMalformed)},
		"a name longer than it is": {script{decide: says(bytes.Replace(yes(), nameHead(6, 0, 6), nameHead(0x7FFFFFFF, 0, 0x7FFFFFFF), 1))}, is(ErrMalformed)},
		"a name from elsewhere":    {script{decide: says(bytes.Replace(yes(), nameHead(6, 0, 6), nameHead(6, 3, 6), 1))}, is(ErrMalformed)},
		"more of a name than may":  {script{decide: says(bytes.Replace(yes(), nameHead(6, 0, 6), nameHead(3, 0, 6), 1))}, is(ErrMalformed)},
		"a SID of 200 parts":       {script{decide: says(bytes.Replace(yes(), unhex("04000000 0104000000000005 15000000"), unhex("c8000000 01c8000000000005 15000000"), 1))}, is(ErrMalformed)},
		"a SID of two lengths":     {script{decide: says(bytes.Replace(yes(), unhex("04000000 0104000000000005 15000000"), unhex("04000000 0103000000000005 15000000"), 1))}, is(ErrMalformed)},
		"fault":                    {script{fault: onCall(samLogonEx, dcerpc.FaultBadStubData)}, faulty(dcerpc.FaultBadStubData)},
		"no such call":             {script{fault: onCall(samLogonEx, dcerpc.FaultOperation)}, faulty(dcerpc.FaultOperation)},
		"a fault of success":       {script{mangle: spoilt(func(p []byte) { p[2] = 3; clear(p[24:28]) })}, is(dcerpc.ErrProtocol)},
		"another header":           {script{mangle: spoilt(func(p []byte) { p[16] ^= 1 })}, is(ErrSignature)},
		"less padding":             {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt-6]-- })}, is(ErrSignature)},
		"wrong signature":          {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt+checksumAt] ^= 1 })}, is(ErrSequence)},
		"wrong number":             {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt+sequenceAt] ^= 1 })}, is(ErrSequence)},
		"confounder":               {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt+confounderAt] ^= 1 })}, is(ErrSignature)},
		"a bit turned":             {script{mangle: spoilt(func(p []byte) { p[60] ^= 1 })}, is(ErrSignature)},
		"the last bit":             {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt-9] ^= 1 })}, is(ErrSignature)},
		"flags changed":            {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt+6] = 1 })}, is(ErrSignature)},
		"RC4":                      {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt] = 0x77 })}, is(ErrSignature)},
		"signed alone":             {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt+2], p[len(p)-signatureAt+3] = 0xff, 0xff })}, is(ErrSignature)},
		"level of signing":         {script{mangle: spoilt(func(p []byte) { p[len(p)-signatureAt-7] = 5 })}, is(dcerpc.ErrProtocol)},
		"the last answer again": {script{mangle: func(_ int, answer []byte) []byte {
			if former == nil {
				former = bytes.Clone(answer)
				return answer
			}
			again := bytes.Clone(former)
			copy(again[12:16], answer[12:16]) // as if it answered this call
			return again
		}}, is(ErrSequence)},
	} {
		t.Run(name, func(t *testing.T) {
			dc := &controller{script: c.dc}
			config := dc.config(t)
			ch, err := Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer ch.Close()
			v, err := ch.LogOn(t.Context(), someone())
			switch {
			case name == "no domain": // not its own: the domain's SID is another
				if err != nil || len(v.Groups()) != 4 {
					t.Errorf("got %v, %v", v, err)
				}
			case v != nil || err == nil || c.want != nil && !c.want(err):
				t.Errorf("got %v, %v", v, err)
			}
		})
	}
}

// onCall is a fault for each call of a method.
func onCall(m method, status uint32) func(uint16, int) uint32 {
	return func(opnum uint16, _ int) uint32 {
		if opnum == m.opnum {
			return status
		}
		return 0
	}
}

// nameHead is how long a string may be, where it begins and how long it is, in front
// of müller's name.
func nameHead(most, from, length uint32) []byte {
	raw := binary.LittleEndian.AppendUint32(nil, most)
	raw = binary.LittleEndian.AppendUint32(raw, from)
	return append(binary.LittleEndian.AppendUint32(raw, length), 'm', 0, 0xfc, 0)
}

// strangers is a yes with so many groups of other domains.
func strangers(n int) []byte {
	answer, group := with(yes(), atSIDCount, uint32(n)), yes()[atSIDsEnd-32:atSIDsEnd]
	list := binary.LittleEndian.AppendUint32(nil, uint32(n))
	list = append(list, bytes.Repeat(unhex("01000200 07000000"), n)...)
	list = append(list, bytes.Repeat(group, n)...)
	return append(append(answer[:atSIDs:atSIDs], list...), answer[atSIDsEnd:]...)
}

// crowd is a yes with so many groups.
func crowd(n int) []byte {
	answer := with(yes(), atGroupCount, uint32(n))
	few := unhex("02000000 01020000 07000000 60040000 07000000")
	many := binary.LittleEndian.AppendUint32(nil, uint32(n))
	for i := range n {
		many = append(binary.LittleEndian.AppendUint32(many, uint32(2000+i)), 7, 0, 0, 0)
	}
	return bytes.Replace(answer, few, many, 1)
}

// TestNotSent: a log-in without a name or an NTLMv2 response is not sent.
func TestNotSent(t *testing.T) {
	dc := new(controller)
	c, err := NewClient(dc.config(t), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, change := range map[string]func(*Logon){
		"anonymous":    func(l *Logon) { l.User = "" },
		"no response":  func(l *Logon) { l.NTResponse = nil },
		"NTLMv1":       func(l *Logon) { l.NTResponse = make([]byte, 24) },
		"too long":     func(l *Logon) { l.NTResponse = make([]byte, 1<<16) },
		"a novel":      func(l *Logon) { l.Workstation = strings.Repeat("w", 1<<15) },
		"long surname": func(l *Logon) { l.Domain = strings.Repeat("🎀", 1<<14) },
	} {
		l := someone()
		change(l)
		if v, err := c.LogOn(t.Context(), l); v != nil || !errors.Is(err, ErrNotV2) {
			t.Errorf("%s: got %v, %v, want %v", name, v, err, ErrNotV2)
		}
	}
	if got := dc.seen(); got != (seen{}) {
		t.Errorf("the controller has seen %+v, want nothing", got)
	}
}

// TestSlowController: the deadline holds wherever it is slow.
func TestSlowController(t *testing.T) {
	dc := &controller{script: script{stall: func(int) bool { return true }}}
	c, err := NewClient(dc.config(t), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	began := time.Now()
	if v, err := c.LogOn(ctx, someone()); v != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("got %v, %v after %v, want %v", v, err, time.Since(began), context.DeadlineExceeded)
	}
	if got := dc.seen(); got.asked != 1 {
		t.Errorf("asked %d times, want 1: there was no time for another", got.asked)
	}
}
