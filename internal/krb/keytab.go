package krb

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"
)

// Key is one key of a service.
type Key struct {
	Realm   string
	Name    []string // components of the principal's name, such as HTTP and web.example.com
	Version uint32   // kvno
	Etype   int32    // RFC 3961 8
	Since   time.Time

	value types.EncryptionKey
}

// Principal is the name as klist writes it, HTTP/web.example.com@EXAMPLE.COM.
func (k *Key) Principal() string { return strings.Join(k.Name, "/") + "@" + k.Realm }

// Format redacts: a key must not be printed.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("krb.Key{" + k.Principal() + "}")) }

// Fits reports whether the key is of a version of its account's key, which a
// keytab may hold in eight bits.
func (k *Key) Fits(version uint32) bool { return sameVersion(k.Version, version) }

// Keytab is the keys of a keytab file, in the file's order, and the tickets that they
// have opened. The keys are not changed once one was.
type Keytab struct {
	Keys []*Key

	opened openings
}

// maxKeytabEntries bounds what is read: a host with a hundred names, four
// enctypes and two versions has 800.
const maxKeytabEntries = 4096

// ParseKeytab reads the bytes of a keytab: version 2 of MIT's format, which is
// big-endian; ktutil, msktutil, ktpass and Samba write it. Entries of enctypes that
// are not known here are left out. The error is ErrCredential.
func ParseKeytab(raw []byte) (*Keytab, error) {
	if len(raw) < 2 || raw[0] != 5 || raw[1] != 2 {
		return nil, fmt.Errorf("%w: not a keytab, which begins with 05 02", ErrCredential)
	}
	table := new(Keytab)
	for rest, n := raw[2:], 0; len(rest) >= 4; n++ {
		size := int64(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		hole := size < 0
		if hole {
			size = -size
		}
		switch {
		case size == 0:
			return table, nil // the end, in a file that was not cut
		case size > int64(len(rest)):
			return nil, fmt.Errorf("%w: keytab: entry %d has %d bytes and %d are left", ErrCredential, n, size, len(rest))
		case n == maxKeytabEntries:
			return nil, fmt.Errorf("%w: keytab: more than %d entries", ErrCredential, maxKeytabEntries)
		}
		if !hole {
			key, err := parseKey(rest[:size])
			if err != nil {
				return nil, fmt.Errorf("%w: keytab: entry %d: %w", ErrCredential, n, err)
			}
			if keyLengths[key.Etype] == len(key.value.KeyValue) {
				table.Keys = append(table.Keys, key)
			}
		}
		rest = rest[size:]
	}
	if len(table.Keys) == 0 {
		return nil, fmt.Errorf("%w: the keytab holds no key of AES or RC4", ErrCredential)
	}
	return table, nil
}

// ReadKeytab reads a keytab file. Errors are those of the file system and
// ErrCredential.
func ReadKeytab(path string) (*Keytab, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseKeytab(raw)
}

// keyLengths of the enctypes that are known here.
var keyLengths = map[int32]int{etypeAES128SHA1: 16, etypeAES256SHA1: 32, etypeAES128SHA2: 16, etypeAES256SHA2: 32, etypeRC4: 16}

// entry reads the fields of an entry.
type entry struct {
	rest []byte
	err  error
}

func (e *entry) take(n int, what string) []byte {
	if e.err != nil || n > len(e.rest) {
		if e.err == nil {
			e.err = fmt.Errorf("%s has %d bytes and %d are left", what, n, len(e.rest))
		}
		return make([]byte, min(n, 8))
	}
	taken := e.rest[:n]
	e.rest = e.rest[n:]
	return taken
}

func (e *entry) uint16(what string) int { return int(binary.BigEndian.Uint16(e.take(2, what))) }

func (e *entry) uint32(what string) uint32 { return binary.BigEndian.Uint32(e.take(4, what)) }

func (e *entry) text(what string) string { return string(e.take(e.uint16(what), what)) }

func parseKey(raw []byte) (*Key, error) {
	e := &entry{rest: raw}
	k := new(Key)
	components := e.uint16("the number of components")
	k.Realm = e.text("the realm")
	for i := 0; i < components && e.err == nil; i++ {
		k.Name = append(k.Name, e.text("a component"))
	}
	e.uint32("the name type")
	k.Since = time.Unix(int64(e.uint32("the time")), 0).UTC()
	k.Version = uint32(e.take(1, "the version")[0])
	k.Etype = int32(e.uint16("the enctype"))
	value := e.take(e.uint16("the key"), "the key")
	if len(e.rest) >= 4 { // the whole version, in newer files
		if v := e.uint32("the version"); v != 0 {
			k.Version = v
		}
	}
	k.value = types.EncryptionKey{KeyType: k.Etype, KeyValue: slices.Clone(value)}
	return k, e.err
}

// Realms are those of the keys, each once.
func (t *Keytab) Realms() []string {
	var realms []string
	for _, k := range t.Keys {
		if !slices.Contains(realms, k.Realm) {
			realms = append(realms, k.Realm)
		}
	}
	return realms
}

// fitting are the keys that may open a ticket of a realm, those of its version
// first and then the newest: an account has one key for all its names, which a
// keytab may hold under any of them. Another realm's key is none of them: whoever
// runs that realm has it too. known reports whether one of the version is there.
func (t *Keytab) fitting(realm string, etype int32, version uint32) (keys []*Key, known bool) {
	for _, k := range t.Keys {
		if k.Realm != realm {
			continue
		}
		if k.Etype == etype && !slices.ContainsFunc(keys, func(o *Key) bool { return string(o.value.KeyValue) == string(k.value.KeyValue) }) {
			keys = append(keys, k)
		}
		known = known || k.Etype == etype && sameVersion(k.Version, version)
	}
	slices.SortStableFunc(keys, func(a, b *Key) int {
		if x, y := sameVersion(a.Version, version), sameVersion(b.Version, version); x != y {
			if x {
				return -1
			}
			return 1
		}
		return int(int64(b.Version) - int64(a.Version))
	})
	return keys, known
}

// sameVersion compares a version in a keytab, which may be of the days of eight
// bits, with a ticket's, in whose upper half a read-only controller writes its
// number, [MS-KILE] 3.1.5.8. Tickets without a version are of any.
func sameVersion(key, ticket uint32) bool {
	return ticket == 0 || key == ticket || key == ticket&0xFFFF || key < 256 && key == ticket&0xFF
}
