package dcerpc

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// towers are Samba's marshalling of ept_map; testdata/README.md tells how they were
// made.
func towers(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/tower.json")
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]string
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	read := make(map[string][]byte)
	for name, text := range written {
		if read[name], err = hex.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	return read
}

// TestMapTCP asks as Samba would, and reads what it would answer.
func TestMapTCP(t *testing.T) {
	vectors := towers(t)
	for name, c := range map[string]struct {
		answer []byte
		port   uint16
		err    error
	}{
		"one":             {vectors["one"], 49152, nil},
		"two":             {vectors["two"], 49152, nil},
		"none":            {vectors["none"], 0, ErrNoEndpoint},
		"another's":       {bytes.ReplaceAll(vectors["one"], testInterface.UUID[:], NDR.UUID[:]), 0, ErrNoEndpoint},
		"another version": {bytes.Replace(vectors["one"], append(testInterface.UUID[:], 1, 0), append(testInterface.UUID[:], 2, 0), 1), 0, ErrNoEndpoint},
		"port 0":          {bytes.Replace(vectors["one"], []byte{0xc0, 0}, []byte{0, 0}, 1), 0, ErrNoEndpoint},
		"UDP":             {bytes.Replace(vectors["one"], []byte{1, 0, floorTCP}, []byte{1, 0, 0x08}, 1), 0, ErrNoEndpoint},
		"a failure":       {append(bytes.Clone(vectors["one"][:len(vectors["one"])-4]), 1, 0, 0, 0), 0, ErrNoEndpoint},
		"cut":             {vectors["one"][:60], 0, ErrProtocol},
		"nothing":         {nil, 0, ErrProtocol},
		"five towers":     {bytes.Replace(vectors["none"], []byte{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0}, 1), 0, ErrProtocol},
		"a lying length":  {bytes.Replace(vectors["one"], []byte{0x4b, 0, 0, 0, 0x4b}, []byte{0x4b, 0, 0, 0, 0x4a}, 1), 0, ErrProtocol},
		"a huge length":   {bytes.Replace(vectors["one"], []byte{0x4b, 0, 0, 0, 0x4b, 0}, []byte{0xff, 0xff, 0xff, 0x7f, 0x4b, 0}, 1), 0, ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []byte
			conn := serve(t, func(r request) []byte {
				if r.kind == kindBind {
					return welcome(r)
				}
				asked = r.raw[24:]
				return fragment(kindResponse, whole, r.call, response(0, c.answer))
			})
			port, err := MapTCP(context.Background(), conn, testInterface)
			if port != c.port || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("got %d, %v, want %d, %v", port, err, c.port, c.err)
			}
			want := vectors["question"]
			if !bytes.Equal(asked, want) {
				t.Errorf("asked %x, want %x", asked, want)
			}
		})
	}
}

// TestSyntax is written as it is read.
func TestSyntax(t *testing.T) {
	const uuid = "8a885d04-1ceb-11c9-9fe8-08002b104860"
	if got := NewSyntax(uuid, 2, 0).String(); got != uuid+" v2.0" {
		t.Errorf("got %s, want %s v2.0", got, uuid)
	}
	if !strings.HasPrefix(hex.EncodeToString(NDR.UUID[:]), "045d888aeb1cc911") {
		t.Errorf("got %x, want the first three parts turned", NDR.UUID)
	}
}
