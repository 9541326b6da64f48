package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// BuildCaddy builds what go run ./cmd/caddy would run, into a folder.
func BuildCaddy(dir string) (binary string, err error) {
	binary = filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-o", binary, "github.com/caddy-ntlm/caddy-ntlm/cmd/caddy")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// Caddy is a Caddy that is to serve a Caddyfile, a node beside others: all that it keeps is
// in a folder of its own.
func Caddy(binary, dir string, caddyfile []byte, ready func(context.Context) error) (*Daemon, error) {
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, caddyfile, 0o600); err != nil {
		return nil, err
	}
	return &Daemon{
		Command: func() *exec.Cmd {
			process := exec.Command(binary, "run", "--config", path, "--adapter", "caddyfile")
			process.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			return process
		},
		Log: filepath.Join(dir, "output"), Ready: ready, Stop: syscall.SIGTERM,
	}, nil
}
