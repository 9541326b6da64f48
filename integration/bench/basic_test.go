package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/caddy-ntlm/caddy-ntlm/integration/lab"
)

// authorization is alice's password.
var authorization = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:Secr3t-alice")) + "\r\n"

// BenchmarkBasicWarm sends the password with each request on a kept connection.
func BenchmarkBasicWarm(b *testing.B) {
	s := startDemo(b)
	plain, err := dial(s.plain)
	if err != nil {
		b.Fatal(err)
	}
	door, err := dial(s.basic)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []*client{plain, door} {
		c.request = append(c.request[:len(c.request)-2:len(c.request)-2], authorization+"\r\n"...)
		c.many(b, 100)
	}
	const batch = 100
	var used [2]float64
	for b.Loop() {
		for i, c := range []*client{plain, door} {
			before := cpu()
			c.many(b, batch)
			used[i] += float64(cpu() - before)
		}
	}
	requests := float64(b.N * batch)
	b.ReportMetric(used[0]/requests, "plain-cpu-ns")
	b.ReportMetric(used[1]/requests, "door-cpu-ns")
	b.ReportMetric(requests/b.Elapsed().Seconds()*2, "requests/s") // half of the time was the other site's
	_, _ = plain.nc.Close(), door.nc.Close()
}

// BenchmarkBasicCold sends the password on a new connection each time, several
// at a time: a controller is asked each time.
func BenchmarkBasicCold(b *testing.B) {
	b.Run("demo", func(b *testing.B) { basicCold(b, startDemo(b)) })
	if dir := os.Getenv("LAB_DIR"); dir != "" {
		b.Run("samba", func(b *testing.B) {
			l, err := lab.Open(dir)
			if err != nil {
				b.Fatal(err)
			}
			basicCold(b, start(b, l.LDAPS(1), l.CA()))
		})
	}
}

func basicCold(b *testing.B, s site) {
	const workers = 8
	ask := func() error {
		c, err := dial(s.basic)
		if err != nil {
			return err
		}
		defer func() { _ = c.nc.Close() }()
		response, err := c.ask(authorization)
		if err == nil && response.StatusCode != 200 {
			err = fmt.Errorf("got %s", response.Status)
		}
		return err
	}
	if err := ask(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var all sync.WaitGroup
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	for range workers {
		all.Go(func() {
			for range left {
				if err := ask(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
