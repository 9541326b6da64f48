package netlogon

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
)

// channelOfWinbind is what testdata/winbind.sh has recorded: the connection on which
// winbind and a Samba controller agree on a key, and the sealed one.
type channelOfWinbind struct {
	Password    string            // of the machine account
	Passwords   map[string]string // of users
	Connections [2][]string       // PDUs in hexadecimal, behind whose they are
	Answers     []winbindRead
}

// winbindRead is what winbind reads out of an answer to NetrLogonSamLogonEx, with the
// names of Samba's netlogon.idl.
type winbindRead struct {
	Result     string      `json:"result"`
	Account    string      `json:"account_name"`
	FullName   string      `json:"full_name"`
	Server     string      `json:"logon_server"`
	Domain     string      `json:"logon_domain"`
	DomainSID  string      `json:"domain_sid"`
	DNSDomain  string      `json:"dns_domainname"`
	UPN        string      `json:"principal_name"`
	RID        uint32      `json:"rid"`
	PrimaryGID uint32      `json:"primary_gid"`
	UserFlags  uint32      `json:"user_flags"`
	Control    uint32      `json:"acct_flags"`
	LogonCount uint16      `json:"logon_count"`
	BadCount   uint16      `json:"bad_password_count"`
	Groups     [][2]uint32 `json:"groups"`
	SIDs       [][]any     `json:"sids"`
}

// ofWinbind reads the recording.
func ofWinbind(t *testing.T) (r channelOfWinbind, open, sealed []pdu) {
	t.Helper()
	text, err := os.ReadFile("testdata/winbind.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	var lists [2][]pdu
	for i, lines := range r.Connections {
		for _, line := range lines {
			_, raw, _ := strings.Cut(line, ": ")
			p, err := readPDU(bytes.NewReader(unhex(raw)))
			if err != nil {
				t.Fatal(err)
			}
			lists[i] = append(lists[i], p)
		}
	}
	return r, lists[0], lists[1]
}

// opnum is the method of a request.
func (p pdu) opnum() uint16 { return binary.LittleEndian.Uint16(p.raw[22:]) }

// tape answers with what was recorded, and keeps what is said to it.
type tape struct {
	io.Reader
	heard bytes.Buffer
}

func (t *tape) Write(b []byte) (int, error)   { return t.heard.Write(b) }
func (t *tape) Close() error                  { return nil }
func (t *tape) SetDeadline(_ time.Time) error { return nil }
func (c channelOfWinbind) hash() ntlm.Key     { return ntlm.NTOWFv1(c.Password) }
func (c channelOfWinbind) member(r io.Reader) Config {
	return Config{
		Server: "dc1.example.test", Domain: "EXAMPLE", Account: "RECORD01$", Rand: r,
		Secret:  func() ([]byte, error) { return []byte(c.Password), nil },
		Connect: TCP("127.0.0.1", nil),
	}
}
