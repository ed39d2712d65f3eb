"""The Corefile: text to server blocks, directives and values, with CoreDNS's errors."""
