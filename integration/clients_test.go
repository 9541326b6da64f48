package integration

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-ntlmssp"
)

// answer is what curl got in the end.
type answer struct {
	Status     int
	Body       string
	Challenges []string // of the last response
	Header     string   // of the last response, raw
	Duration   time.Duration
}

// curl runs curl with the arguments; each URL is one of them.
func curl(t *testing.T, args ...string) answer {
	t.Helper()
	dir := t.TempDir()
	body, head := filepath.Join(dir, "body"), filepath.Join(dir, "head")
	all := append([]string{"-s", "-k", "--max-time", "40", "-o", body, "-D", head, "-w", "%{http_code}"}, args...)
	began := time.Now()
	out, err := exec.Command("curl", all...).Output()
	took := time.Since(began)
	if err != nil {
		t.Fatalf("curl %v: %v", args, err)
	}
	status, err := strconv.Atoi(lastLine(string(out)))
	if err != nil {
		t.Fatalf("curl %v said %q", args, out)
	}
	a := answer{Status: status, Body: read(t, body), Header: lastBlock(read(t, head)), Duration: took}
	for line := range strings.Lines(a.Header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.EqualFold(name, "WWW-Authenticate") {
			a.Challenges = append(a.Challenges, strings.TrimSpace(value))
		}
	}
	return a
}

// curlVerbose runs curl and gives what it says on the way, headers included.
func curlVerbose(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"-sv", "-k", "--max-time", "40", "-o", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func lastLine(text string) string {
	lines := strings.Fields(text)
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	return last[max(0, len(last)-3):]
}

func lastBlock(heads string) string {
	blocks := strings.Split(strings.TrimSpace(heads), "\r\n\r\n")
	return blocks[len(blocks)-1]
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// ntlmClient is an HTTP client whose NTLM is not ours, with connections of its
// own.
func ntlmClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: ntlmssp.Negotiator{RoundTripper: transport}, Timeout: 30 * time.Second}
}
