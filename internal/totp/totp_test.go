package totp

import (
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
)

// factorOf is a factor with a secret in bytes.
func factorOf(secret string, algorithm otp.Algorithm, digits int, period time.Duration) *Factor {
	return &Factor{strings.TrimRight(base32.StdEncoding.EncodeToString([]byte(secret)), "="), algorithm, digits, period}
}

// RFC 6238 appendix B.
func TestVectorsOfRFC6238(t *testing.T) {
	const ten = "1234567890"
	factors := []*Factor{
		factorOf(strings.Repeat(ten, 2), otp.AlgorithmSHA1, 8, 30*time.Second),
		factorOf(strings.Repeat(ten, 3)+"12", otp.AlgorithmSHA256, 8, 30*time.Second),
		factorOf(strings.Repeat(ten, 6)+"1234", otp.AlgorithmSHA512, 8, 30*time.Second),
	}
	for at, want := range map[int64][3]string{
		59:          {"94287082", "46119246", "90693936"},
		1111111109:  {"07081804", "68084774", "25091201"},
		1111111111:  {"14050471", "67062674", "99943326"},
		1234567890:  {"89005924", "91819424", "93441116"},
		2000000000:  {"69279037", "90698825", "38618901"},
		20000000000: {"65353130", "77737706", "47863826"},
	} {
		for i, f := range factors {
			if got, err := f.Code(time.Unix(at, 0)); got != want[i] || err != nil {
				t.Errorf("%s at %d: got %s, %v, want %s", f.algorithm, at, got, err, want[i])
			}
		}
	}
}

// RFC 4226 appendix D: a counter is a step of the time.
func TestVectorsOfRFC4226(t *testing.T) {
	f := factorOf("12345678901234567890", otp.AlgorithmSHA1, 6, 30*time.Second)
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got, err := f.Code(time.Unix(int64(step)*30, 0)); got != want || err != nil {
			t.Errorf("step %d: got %s, %v, want %s", step, got, err, want)
		}
	}
}

// TestOathtool holds codes to those of OATH Toolkit.
func TestOathtool(t *testing.T) {
	oathtool, err := exec.LookPath("oathtool")
	if err != nil {
		t.Fatal("no oathtool: apt-get install oathtool")
	}
	for i := range 24 {
		secret := make([]byte, 10+rand.IntN(60))
		for j := range secret {
			secret[j] = byte(rand.IntN(256))
		}
		algorithm := []otp.Algorithm{otp.AlgorithmSHA1, otp.AlgorithmSHA256, otp.AlgorithmSHA512}[i%3]
		f := factorOf(string(secret), algorithm, 6+i%3, time.Duration(15+rand.IntN(286))*time.Second)
		at := time.Unix(rand.Int64N(4_000_000_000), 0).UTC()
		out, err := exec.Command(oathtool, "--totp="+algorithm.String(), "--base32", "--digits", fmt.Sprint(f.digits),
			"--time-step-size", f.period.String(), "--now", at.Format("2006-01-02 15:04:05 UTC"), f.secret).CombinedOutput()
		if err != nil {
			t.Fatalf("oathtool: %v: %s", err, out)
		}
		if got, err := f.Code(at); got != strings.TrimSpace(string(out)) || err != nil {
			t.Errorf("%v at %s: got %s, %v, want %s", plain(f), at, got, err, out)
		}
	}
}

func TestClean(t *testing.T) {
	for typed, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "123\u00a0456": "123456", "１２３４５６": "123456", "1234 5678": "12345678",
		"": "", "12345": "", "123456789": "", "12345a": "", "-123456": "", "123-456": "", "١٢٣٤٥٦": "", "1234\x005": "",
	} {
		if got, ok := clean(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %t, want %q", typed, got, ok, want)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		typed          string
		digits         int
		password, code string
		ok             bool
	}{
		{"secret123456", 6, "secret", "123456", true},
		{"secret12345678", 8, "secret", "12345678", true},
		{"secret12345678", 6, "secret12", "345678", true},
		{" 123456", 6, " ", "123456", true},
		{"123456", 6, "123456", "", false},
		{"secret", 6, "secret", "", false},
		{"secret12345", 6, "secret12345", "", false},
		{"secret 12 345", 6, "secret 12 345", "", false},
		{"päss１２３４５６", 6, "päss１２３４５６", "", false},
		{"", 6, "", "", false},
		{"secret123456", 0, "secret123456", "", false},
	}
	for _, test := range tests {
		password, code, ok := Split(test.typed, test.digits)
		if password != test.password || code != test.code || ok != test.ok {
			t.Errorf("%q, %d: got %q, %q, %t, want %q, %q, %t", test.typed, test.digits, password, code, ok, test.password, test.code, test.ok)
		}
	}
}
