{ pkgs, mkLib, images, cooper }: { }
