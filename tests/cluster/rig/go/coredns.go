package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"
)

// The plugins that a query passes, in this order.
func init() {
	dnsserver.Directives = []string{"errors", "kubernetes", "template"}
}

func runCoreDNS() { coremain.Run() }
