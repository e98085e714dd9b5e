package sonictest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// authority is a CA for this server alone, and its one certificate. The CA's
// key is thrown away once that is signed.
type authority struct {
	pem  []byte // the CA's certificate
	leaf tls.Certificate
}

func newAuthority(addr net.Addr, now time.Time) (authority, error) {
	fail := func(err error) (authority, error) {
		return authority{}, fmt.Errorf("start emulator: make a certificate: %w", err)
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "parley-emulator CA (not AWS)", Organization: []string{"Parley"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(365 * 24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return fail(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	names, ips := hostNames(addr)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "parley-emulator"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
		IPAddresses:  ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return fail(err)
	}
	return authority{
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		leaf: tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key},
	}, nil
}

// hostNames are the names that clients may know the server by.
func hostNames(addr net.Addr) ([]string, []net.IP) {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return names, ips
	}
	if !tcp.IP.IsUnspecified() {
		return names, append(ips, tcp.IP)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return names, ips // reachable as localhost at least
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ips = append(ips, n.IP)
		}
	}
	return names, ips
}

// writeCA puts the CA's certificate where AWS_CA_BUNDLE can name it.
func (s *Server) writeCA(pem []byte) error {
	f, err := os.CreateTemp("", "parley-emulator-ca-*.pem")
	if err != nil {
		return fmt.Errorf("start emulator: write the CA's certificate: %w", err)
	}
	_, err = f.Write(pem)
	if closing := f.Close(); err == nil {
		err = closing
	}
	s.mu.Lock()
	s.roots, s.caFile = pem, f.Name()
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("start emulator: write the CA's certificate: %w", err)
	}
	return nil
}

func (s *Server) removeCA() error {
	s.mu.Lock()
	name := s.caFile
	s.caFile = ""
	s.mu.Unlock()
	if name == "" {
		return nil
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("close emulator: %w", err)
	}
	return nil
}
