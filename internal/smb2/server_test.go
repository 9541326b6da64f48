package smb2

import (
	"encoding/binary"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntstatus"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// server is a small SMB server that answers as it should, or as a test wants:
// twist gets each answer before it is sent, with the request that it is for, and
// returns what goes out as frames. It knows one account, alice with secret.
type server struct {
	dialect      Dialect
	signing      signingAlgorithm
	cipher       uint16
	sessionFlags uint16
	shareFlags   uint32
	opaque       bool // tokens are not NTLM: "one" and "two" get "reply"
	unsigned     bool
	twist        func(asked *header, msg []byte) [][]byte
	echo         []byte // what was written to the pipe

	asked     []byte // the client's NEGOTIATE
	setupMode byte   // SecurityMode of its last SESSION_SETUP
	preauth   conn   // for its hash
	ntlm      ntlm.Server
	signer    *signer
	sealer    *sealer
	legs      int
}

const (
	serverSession = 0x1122334455667788
	serverTree    = 7
)

// start runs the server at one end of a pipe and gives the other.
func (s *server) start(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		for s.turn(far) == nil {
		}
	}()
	t.Cleanup(func() {
		near.Close()
		far.Close()
		<-done
	})
	return near
}

// turn answers one request.
func (s *server) turn(nc net.Conn) error {
	msg, err := readFrame(nc)
	if err != nil {
		return err
	}
	if s.sealer != nil {
		if msg, err = s.sealer.open(msg, serverSession); err != nil {
			return err
		}
	}
	h, err := parseHeader(msg)
	if err != nil {
		return err
	}
	was := s.sealer
	status, body := s.answer(&h, msg)
	reply := s.header(&h, status)
	out := append(reply.marshal(), body...)
	if s.signer != nil && !s.unsigned && was == nil {
		s.signer.sign(out)
	} else if h.command == SessionSetup && status == ntstatus.Success && s.opaque && !s.unsigned {
		binary.LittleEndian.PutUint32(out[flagsAt:], flagResponse|flagSigned)
		out[signatureAt] = 1
	}
	if h.command == Negotiate || status == ntstatus.MoreProcessingRequired {
		s.preauth.hash(out)
	}
	frames := [][]byte{out}
	if s.twist != nil {
		frames = s.twist(&h, out)
	}
	for _, f := range frames {
		if was != nil {
			f = was.seal(f, serverSession)
		}
		if err := writeFrame(nc, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) header(asked *header, status ntstatus.Status) *header {
	h := &header{command: asked.command, status: status, credits: 1, flags: flagResponse, messageID: asked.messageID, treeID: asked.treeID, sessionID: asked.sessionID}
	if asked.command == SessionSetup {
		h.sessionID = serverSession
	}
	if asked.command == TreeConnect {
		h.treeID = serverTree
	}
	return h
}

func (s *server) answer(h *header, msg []byte) (ntstatus.Status, []byte) {
	switch h.command {
	case Negotiate:
		s.asked = slices.Clone(msg)
		s.preauth.hash(msg)
		return ntstatus.Success, buildNegotiate(s.negotiated())
	case SessionSetup:
		s.preauth.hash(msg)
		s.setupMode = msg[headerLen+3]
		return s.setup(msg[binary.LittleEndian.Uint16(msg[headerLen+12:]):])
	case TreeConnect:
		if s.shareFlags&shareEncrypt != 0 {
			defer s.encrypt()
		}
		return ntstatus.Success, buildTree(treeAnswer{sharePipe, s.shareFlags})
	case Create:
		return ntstatus.Success, buildCreate(fileID{1, 2, 3})
	case Write:
		s.echo = slices.Clone(msg[headerLen+48:])
		return ntstatus.Success, buildWrite(len(s.echo))
	case Read:
		return s.read(int(binary.LittleEndian.Uint32(msg[headerLen+4:])))
	case IOCtl:
		code := binary.LittleEndian.Uint32(msg[headerLen+4:])
		if code == fsctlValidateNegotiate {
			return ntstatus.Success, buildIOCtl(code, s.validation())
		}
		return ntstatus.Success, buildIOCtl(code, msg[headerLen+56:])
	case Close:
		return ntstatus.Success, append([]byte{60, 0}, make([]byte, 58)...)
	default:
		return ntstatus.Success, emptyRequest()
	}
}

// read gives what was written, 8 bytes at a time.
func (s *server) read(n int) (ntstatus.Status, []byte) {
	n = min(8, n, len(s.echo))
	data := s.echo[:n]
	if s.echo = s.echo[n:]; len(s.echo) > 0 {
		return ntstatus.BufferOverflow, buildRead(data)
	}
	return ntstatus.Success, buildRead(data)
}

func (s *server) negotiated() *negotiated {
	n := &negotiated{
		securityMode: signingEnabled | signingRequired, dialect: s.dialect, guid: [16]byte{9}, capabilities: 7,
		maxTransact: 65536, maxRead: 65536, maxWrite: 65536, token: []byte("hint"),
	}
	if s.dialect == SMB311 {
		n.contexts = []negotiateContext{
			{contextPreauth, append([]byte{1, 0, 4, 0, hashSHA512, 0}, "salt"...)},
			{contextEncryption, []byte{1, 0, byte(s.cipher), 0}},
			{3, []byte{0}}, // compression, unasked
			{contextSigning, []byte{1, 0, byte(s.signing), 0}},
		}
	}
	return n
}

func (s *server) validation() []byte {
	n := s.negotiated()
	b := binary.LittleEndian.AppendUint32(nil, n.capabilities)
	b = append(b, n.guid[:]...)
	b = binary.LittleEndian.AppendUint16(b, n.securityMode)
	return binary.LittleEndian.AppendUint16(b, uint16(n.dialect))
}

// setup does the server's side of a log-on.
func (s *server) setup(token []byte) (ntstatus.Status, []byte) {
	s.legs++
	if s.opaque {
		if s.legs == 1 {
			return ntstatus.MoreProcessingRequired, buildSetup(setupAnswer{token: append([]byte("reply to "), token...)})
		}
		return ntstatus.Success, buildSetup(setupAnswer{s.sessionFlags, append([]byte("reply to "), token...)})
	}
	if s.legs == 1 {
		offer, err := spnego.ParseInit(token)
		if err != nil {
			return ntstatus.InvalidParameter, errorBody
		}
		challenge, err := s.ntlm.Challenge(offer.MechToken)
		if err != nil {
			return ntstatus.InvalidParameter, errorBody
		}
		reply, _ := (&spnego.NegTokenResp{NegState: spnego.AcceptIncomplete, SupportedMech: spnego.NTLMSSP, ResponseToken: challenge}).Marshal()
		return ntstatus.MoreProcessingRequired, buildSetup(setupAnswer{token: reply})
	}
	proof, err := spnego.ParseResp(token)
	if err != nil {
		return ntstatus.InvalidParameter, errorBody
	}
	who, err := s.ntlm.Check(proof.ResponseToken, func(user, _ string) ([16]byte, bool) { return ntlm.NTOWFv1("secret"), user == "alice" })
	switch {
	case err == ntlm.ErrAnonymous:
		return ntstatus.Success, buildSetup(setupAnswer{flags: sessionNull | s.sessionFlags})
	case err != nil:
		return ntstatus.LogonFailure, errorBody
	}
	s.signer = &signer{signingKey(s.dialect, who.SessionKey, s.preauth.preauth), s.signing}
	out, in := cipherKeys(who.SessionKey, s.preauth.preauth)
	s.preauth.agreed = newSealer(in, out)
	if s.sessionFlags&sessionEncrypt != 0 {
		s.encrypt()
	}
	return ntstatus.Success, buildSetup(setupAnswer{flags: s.sessionFlags})
}

func (s *server) encrypt() { s.sealer = s.preauth.agreed }

// deadline is how long a test of a server that does not do as it should may
// take; each takes far less.
const deadline = 300 * time.Millisecond
