package totp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
)

const shared = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // 12345678901234567890 of RFC 4226

func TestParse(t *testing.T) {
	sha1 := func(secret string, digits, period int) *Factor {
		return &Factor{secret, otp.AlgorithmSHA1, digits, time.Duration(period) * time.Second}
	}
	tests := map[string]struct {
		uri  string
		want *Factor
		err  error
	}{
		"plain":          {"otpauth://totp/ACME:alice?secret=" + shared, sha1(shared, 6, 30), nil},
		"all":            {"otpauth://totp/ACME:alice?secret=" + shared + "&issuer=ACME&algorithm=SHA256&digits=8&period=60&image=https://x", &Factor{shared, otp.AlgorithmSHA256, 8, time.Minute}, nil},
		"sha512":         {"otpauth://totp/a?secret=" + shared + "&algorithm=sha512&digits=7", &Factor{shared, otp.AlgorithmSHA512, 7, 30 * time.Second}, nil},
		"no label":       {"otpauth://totp/?secret=" + shared, sha1(shared, 6, 30), nil},
		"small letters":  {"OTPAUTH://TOTP/a?secret=" + strings.ToLower(shared), sha1(shared, 6, 30), nil},
		"spaces":         {" otpauth://totp/a?secret=GEZD+GNBV%20GY3TQOJQ ", sha1("GEZDGNBVGY3TQOJQ", 6, 30), nil},
		"padding":        {"otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGE%3D%3D%3D%3D%3D%3D", sha1("GEZDGNBVGY3TQOJQGE", 6, 30), nil},
		"padding as is":  {"otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGE======", sha1("GEZDGNBVGY3TQOJQGE", 6, 30), nil},
		"shortest":       {"otpauth://totp/a?secret=" + shared + "&period=15", sha1(shared, 6, 15), nil},
		"longest":        {"otpauth://totp/a?secret=" + shared + "&period=300", sha1(shared, 6, 300), nil},
		"empty":          {"", nil, ErrNotURI},
		"a secret alone": {shared, nil, ErrNotURI},
		"another scheme": {"https://totp/a?secret=" + shared, nil, ErrNotURI},
		"opaque":         {"otpauth:totp/a?secret=" + shared, nil, ErrNotURI},
		"user":           {"otpauth://x@totp/a?secret=" + shared, nil, ErrNotURI},
		"port":           {"otpauth://totp:1/a?secret=" + shared, nil, ErrNotURI},
		"fragment":       {"otpauth://totp/a?secret=" + shared + "#x", nil, ErrNotURI},
		"hotp":           {"otpauth://hotp/a?secret=" + shared + "&counter=1", nil, ErrHOTP},
		"another type":   {"otpauth://steam/a?secret=" + shared, nil, ErrNotURI},
		"too long":       {"otpauth://totp/a?secret=" + strings.Repeat(shared, 100), nil, ErrNotURI},
		"control":        {"otpauth://totp/a\x00?secret=" + shared, nil, ErrNotURI},
		"unknown":        {"otpauth://totp/a?secret=" + shared + "&encoder=steam", nil, ErrParameter},
		"twice":          {"otpauth://totp/a?secret=" + shared + "&secret=" + shared, nil, ErrParameter},
		"semicolon":      {"otpauth://totp/a?secret=" + shared + ";digits=8", nil, ErrParameter},
		"no secret":      {"otpauth://totp/a?issuer=ACME", nil, ErrSecret},
		"empty secret":   {"otpauth://totp/a?secret=", nil, ErrSecret},
		"padding alone":  {"otpauth://totp/a?secret======", nil, ErrSecret},
		"not base32":     {"otpauth://totp/a?secret=GEZDGNBVGY3TQOJ1", nil, ErrSecret},
		"half a byte":    {"otpauth://totp/a?secret=" + shared + "A", nil, ErrSecret},
		"padding inside": {"otpauth://totp/a?secret=GEZDGNBV==GY3TQOJQ", nil, ErrSecret},
		"line end":       {"otpauth://totp/a?secret=GEZDGNBV%0AGY3TQOJQ", nil, ErrSecret},
		"72 bits":        {"otpauth://totp/a?secret=GEZDGNBVGY3TQOI", nil, ErrShort},
		"md5":            {"otpauth://totp/a?secret=" + shared + "&algorithm=MD5", nil, ErrAlgorithm},
		"no algorithm":   {"otpauth://totp/a?secret=" + shared + "&algorithm=", nil, ErrAlgorithm},
		"5 digits":       {"otpauth://totp/a?secret=" + shared + "&digits=5", nil, ErrDigits},
		"9 digits":       {"otpauth://totp/a?secret=" + shared + "&digits=9", nil, ErrDigits},
		"signed digits":  {"otpauth://totp/a?secret=" + shared + "&digits=%2B6", nil, ErrDigits},
		"14 seconds":     {"otpauth://totp/a?secret=" + shared + "&period=14", nil, ErrPeriod},
		"301 seconds":    {"otpauth://totp/a?secret=" + shared + "&period=301", nil, ErrPeriod},
		"no period":      {"otpauth://totp/a?secret=" + shared + "&period=0", nil, ErrPeriod},
		"a huge period":  {"otpauth://totp/a?secret=" + shared + "&period=9223372036854775807", nil, ErrPeriod},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(test.uri)
			if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
				t.Fatalf("got error %v, want %v", err, test.err)
			}
			if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("got %+v, want %+v", plain(got), plain(test.want))
			}
		})
	}
}

// plain is what a Factor holds, in a form that prints.
func plain(f *Factor) any {
	if f == nil {
		return nil
	}
	return []any{f.secret, f.algorithm, f.digits, f.period}
}

func TestParseAll(t *testing.T) {
	const good, eight = "otpauth://totp/a?secret=" + shared, "otpauth://totp/b?secret=" + shared + "&digits=8"
	tests := map[string]struct {
		uris []string
		err  error
	}{
		"none":       {nil, nil},
		"two":        {[]string{good, good + "&period=60"}, nil},
		"one wrong":  {[]string{good, "AB 123"}, ErrNotURI},
		"uneven":     {[]string{good, eight}, ErrUneven},
		"too many":   {make([]string, mostFactors+1), ErrMany},
		"one is all": {[]string{eight}, nil},
	}
	for name, test := range tests {
		got, err := ParseAll(test.uris)
		if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) {
			t.Errorf("%s: got error %v, want %v", name, err, test.err)
		}
		if err == nil && len(got) != len(test.uris) {
			t.Errorf("%s: got %d factors, want %d", name, len(got), len(test.uris))
		}
	}
}

func TestFactorNeverPrints(t *testing.T) {
	f, err := Parse("otpauth://totp/a?secret=" + shared)
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ F *Factor }{f}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	prints := []string{string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, f), fmt.Sprintf(verb, []*Factor{f}), fmt.Sprintf(verb, holder.F))
	}
	for _, text := range prints {
		if strings.Contains(text, "GEZD") || strings.Contains(text, fmt.Sprintf("%x", shared)) {
			t.Errorf("a secret printed: %s", text)
		}
	}
}

// FuzzParse: what is read makes codes, and no error shows anything of a secret.
func FuzzParse(f *testing.F) {
	f.Add("otpauth://totp/ACME:alice@example.com?secret=" + shared + "&issuer=ACME&algorithm=SHA512&digits=8&period=60")
	f.Add("otpauth://totp/?secret=gezd+gnbv%20gy3t+qojq======&period=300")
	f.Add("otpauth://hotp/a?secret=" + shared + "&counter=1")
	f.Add("otpauth://totp/%zz?secret=%zz")
	known := []error{ErrNotURI, ErrHOTP, ErrParameter, ErrSecret, ErrShort, ErrAlgorithm, ErrDigits, ErrPeriod}
	f.Fuzz(func(t *testing.T, uri string) {
		factor, err := Parse(uri)
		if err != nil {
			for _, e := range known {
				if err == e { //nolint:errorlint // nothing may be wrapped around it
					return
				}
			}
			t.Fatalf("got error %v, want one of those that hold nothing of the URI", err)
		}
		if factor.digits < leastDigits || factor.digits > mostDigits || factor.period < leastPeriod || factor.period > mostPeriod {
			t.Fatalf("got %d digits and a period of %s", factor.digits, factor.period)
		}
		code, err := factor.Code(time.Unix(1_700_000_000, 0))
		if again, ok := clean(code); err != nil || !ok || again != code || len(code) != factor.digits {
			t.Fatalf("got code %q, %v, want %d digits", code, err, factor.digits)
		}
	})
}
