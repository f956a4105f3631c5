# SPDX-License-Identifier: BSD-2-Clause
#
# The libraries that our guests link with. Each is fetched as a Debian source package of the upstream version that
# guests/debian states for this release (any Debian revision of it), cached under build/src, and built into
# build/libs/libNAME.a with its headers below build/libs/include. To add one: a version, a list of sources, flags if it
# needs any, and a call of `library`.

LIBS     := build/libs
PICOLIBC := build/src/picolibc-$(PICOLIBC_VERSION)
LWIP     := build/src/lwip-$(LWIP_VERSION)
EXPAT    := build/src/expat-$(EXPAT_VERSION)
MBEDTLS  := build/src/mbedtls-$(MBEDTLS_VERSION)
ZYDIS    := build/src/zydis-$(ZYDIS_VERSION)
ZYCORE   := build/src/zycore-c-$(ZYCORE_VERSION)
SQLITE   := build/src/sqlite3-$(SQLITE_VERSION)
ZLIB     := build/src/zlib-$(ZLIB_VERSION)
ZSTD     := build/src/libzstd-$(ZSTD_VERSION)

# How a guest's own code sees the libraries.
LIB_DEFS := -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYAN_NO_LIBC -DZYDIS_DISABLE_FORMATTER \
            -DZYDIS_DISABLE_ENCODER -DXML_STATIC -DMBEDTLS_CONFIG_FILE='"guests/lib/mbedtls/config.h"'
LIB_INCLUDES := -nostdinc -isystem $(LIBS)/include -isystem $(GCC_INCLUDE) \
                -isystem guests/lib/picolibc -isystem guests/lib/lwip
LIB_HEADERS := $(LIBS)/.headers
LIB_FILES := $(patsubst %,$(LIBS)/lib%.a,picolibc lwip expat zydis mbedtls sqlite zlib zstd)

# With GCC always, whatever compiles our own code.
LIB_CC := $(CROSS_COMPILE)gcc
LIB_GCC_INCLUDE := $(shell $(LIB_CC) -print-file-name=include 2>/dev/null)
LIB_CFLAGS := -std=gnu17 -O2 -g $(MACHINE_FLAGS) -ffreestanding -fno-strict-aliasing -w

# The sources, fetched on first use. A file of each stands for all of it.
LIB_SOURCES := $(addsuffix /.fetched,$(PICOLIBC) $(LWIP) $(EXPAT) $(MBEDTLS) $(ZYDIS) $(ZYCORE) $(SQLITE) $(ZLIB) $(ZSTD))

$(LIB_SOURCES): build/src/%/.fetched: guests/fetch-source.sh | build/.packages
	@p=$*; sh guests/fetch-source.sh $${p%-*} $${p##*-} $(CURDIR)/build/src/$*
	@touch $@

$(LIB_HEADERS): $(LIB_SOURCES) $(SQLITE)/sqlite3.c guests/libs.mk
	@rm -rf $(LIBS)/include && mkdir -p $(LIBS)/include
	cp -R $(PICOLIBC)/newlib/libc/include/. $(LIBS)/include
	cp -R $(PICOLIBC)/newlib/libc/machine/x86/machine/. $(LIBS)/include/machine
	cp -R $(PICOLIBC)/newlib/libc/machine/x86_64/machine/. $(LIBS)/include/machine
	cp $(PICOLIBC)/newlib/libc/tinystdio/stdio.h $(PICOLIBC)/newlib/libc/tinystdio/stdio-bufio.h $(LIBS)/include
	cp -R $(LWIP)/src/include/. $(LIBS)/include
	rm -rf $(LIBS)/include/compat
	cp $(EXPAT)/expat/lib/expat.h $(EXPAT)/expat/lib/expat_external.h $(LIBS)/include
	cp -R $(MBEDTLS)/include/mbedtls $(MBEDTLS)/include/psa $(LIBS)/include
	cp $(ZLIB)/zlib.h $(ZLIB)/zconf.h $(LIBS)/include
	cp $(ZSTD)/lib/zstd.h $(ZSTD)/lib/zstd_errors.h $(LIBS)/include
	cp -R $(ZYDIS)/include/Zydis $(ZYCORE)/include/Zycore $(LIBS)/include
	cp $(SQLITE)/sqlite3.h $(LIBS)/include
	@find $(LIBS)/include \( -name meson.build -o -name CMakeLists.txt \) -delete
	@touch $@

# picolibc: what needs neither floating point nor files, from a list of patterns.
PICO := $(PICOLIBC)/newlib/libc
PICO_CTYPE := $(patsubst %,isal%.c,num pha) isascii.c isblank.c iscntrl.c isdigit.c isgraph.c islower.c isprint.c \
              ispunct.c isspace.c isupper.c isxdigit.c toascii.c tolower.c toupper.c ctype_.c
PICO_STRING := memccpy.c memchr.c memcmp.c memmem.c memmove.c mempcpy.c memrchr.c rawmemchr.c stpcpy.c stpncpy.c strcasecmp.c \
               strcasestr.c strcat.c strchr.c strchrnul.c strcmp.c strcoll.c strcpy.c strcspn.c strdup.c strerror.c \
               strerror_r.c strlcat.c strlcpy.c strlen.c strncasecmp.c strncat.c strncmp.c strncpy.c strndup.c \
               strnlen.c strnstr.c strpbrk.c strrchr.c strsep.c strspn.c strstr.c strtok.c strtok_r.c strverscmp.c \
               swab.c bcmp.c bcopy.c bzero.c explicit_bzero.c ffsl.c ffsll.c fls.c flsl.c flsll.c index.c rindex.c \
               timingsafe_bcmp.c timingsafe_memcmp.c
PICO_STDLIB := nano-calloc.c nano-free.c nano-getpagesize.c nano-mallinfo.c nano-malloc.c nano-malloc-usable-size.c \
               nano-memalign.c nano-posix-memalign.c nano-realloc.c aligned_alloc.c reallocarray.c reallocf.c \
               pico-atexit.c pico-exit.c pico-onexit.c pico-cxa-atexit.c pico-exitprocs.c abort.c abs.c \
               arc4random.c arc4random_uniform.c assert.c assert_func.c assert_no_arg.c atoi.c atol.c atoll.c div.c \
               environ.c _Exit.c getenv.c getenv_r.c getopt.c imaxabs.c imaxdiv.c itoa.c labs.c ldiv.c llabs.c lldiv.c rand.c \
               rand_r.c random.c srand.c srandom.c utoa.c
PICO_STDIO := asnprintf.c asprintf.c atomic_load.c bufio.c clearerr.c compare_exchange.c exchange.c fclose.c fdevopen.c \
              feof.c ferror.c fflush.c fgetc.c fgets.c filestrget.c filestrput.c filestrputalloc.c flockfile.c \
              flockfile_init.c fprintf.c fputc.c fputs.c fread.c funlockfile.c funopen.c fwrite.c getchar.c perror.c \
              printf.c putchar.c puts.c setbuf.c setvbuf.c snprintf.c sprintf.c sscanf.c strtoimax.c strtol.c \
              strtoll.c strtoul.c strtoull.c strtoumax.c ungetc.c vasnprintf.c vasprintf.c vfiprintf.c vfiscanf.c \
              vprintf.c vsnprintf.c vsprintf.c vsscanf.c
PICO_TIME := asctime.c asctime_r.c gmtime.c gmtime_r.c mktime.c month_lengths.c strftime.c lcltime.c lcltime_r.c \
             lcltime_buf.c tzset.c tzvars.c tzcalc_limits.c gettzinfo.c
PICO_MACHINE := setjmp.S
PICO_OTHER := search/qsort.c search/bsearch.c errno/errno.c misc/ffs.c misc/init.c misc/fini.c picolib/dso_handle.c \
              signal/signal.c ctype/ctype_table.c locale/locale_names.c locale/localeconv.c locale/localedata.c \
              locale/timedata.c

LIB_picolibc_VERSION := picolibc-$(PICOLIBC_VERSION)
LIB_picolibc_SOURCES := $(addprefix newlib/libc/,$(addprefix ctype/,$(PICO_CTYPE)) $(addprefix string/,$(PICO_STRING)) \
    $(addprefix stdlib/,$(PICO_STDLIB)) $(addprefix tinystdio/,$(PICO_STDIO)) $(addprefix time/,$(PICO_TIME)) \
    $(addprefix machine/x86/,$(PICO_MACHINE)) $(PICO_OTHER))
LIB_picolibc_FLAGS := -std=gnu18 -fno-builtin -fno-tree-loop-distribute-patterns -D_LIBC -nostdinc \
    -isystem $(LIB_GCC_INCLUDE) -Iguests/lib/picolibc -I$(PICO)/tinystdio -I$(PICO)/machine/x86_64 -I$(PICO)/machine/x86 \
    -I$(PICO)/include -I$(PICO)/locale -I$(PICO)/stdlib -I$(PICOLIBC)/newlib/libm/common
# printf's integer flavour still steps over floating point arguments; nobody here can pass one, so let it step over
# something that needs no floating point registers.
$(LIBS)/obj/picolibc-$(PICOLIBC_VERSION)/newlib/libc/tinystdio/vfiprintf.o: LIB_EXTRA := -Ddouble=long

LIB_lwip_VERSION := lwip-$(LWIP_VERSION)
LIB_lwip_SOURCES := $(addprefix src/core/,def.c dns.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c raw.c stats.c \
    sys.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c) src/core/altcp.c src/core/altcp_tcp.c \
    $(addprefix src/core/ipv4/,dhcp.c etharp.c icmp.c ip4.c ip4_addr.c ip4_frag.c) src/netif/ethernet.c src/apps/sntp/sntp.c
LIB_lwip_FLAGS := $(subst $(GCC_INCLUDE),$(LIB_GCC_INCLUDE),$(LIB_INCLUDES))

LIB_expat_VERSION := expat-$(EXPAT_VERSION)
LIB_expat_SOURCES := $(addprefix expat/lib/,xmlparse.c xmlrole.c xmltok.c)
LIB_expat_FLAGS := $(LIB_lwip_FLAGS) $(LIB_DEFS) -Iguests/lib/expat -DHAVE_EXPAT_CONFIG_H

# guests/lib/mbedtls/config.h chooses what of these files is built; guests/debian names those of one version alone.
LIB_mbedtls_VERSION := mbedtls-$(MBEDTLS_VERSION)
LIB_mbedtls_SOURCES := $(patsubst %,library/%.c,aes asn1parse asn1write base64 bignum chacha20 chachapoly cipher cipher_wrap \
    constant_time ctr_drbg des ecdh ecdsa ecp ecp_curves entropy gcm hmac_drbg md oid pem pk pk_wrap pkparse pkwrite platform \
    platform_util poly1305 rsa sha256 sha512 ssl_ciphersuites ssl_msg ssl_tls x509 x509_create x509_crt x509write_crt $(MBEDTLS_MORE))
LIB_mbedtls_FLAGS := $(LIB_lwip_FLAGS) $(LIB_DEFS) -I. -I$(MBEDTLS)/library
# A power modulo n has a bound for the exponent, guests/dom0/tls/exponent.c.
RSA_DEFS := -Dmbedtls_mpi_exp_mod=tls_exp_mod -Dmbedtls_mpi_exp_mod_unsafe=tls_exp_mod
$(LIBS)/obj/$(LIB_mbedtls_VERSION)/library/rsa.o: LIB_EXTRA := $(RSA_DEFS)

LIB_zydis_VERSION := zydis-$(ZYDIS_VERSION)
LIB_zydis_SOURCES := $(addprefix src/,Decoder.c DecoderData.c MetaInfo.c Mnemonic.c Register.c SharedData.c String.c \
    Utils.c Zydis.c)
LIB_zydis_FLAGS := $(LIB_lwip_FLAGS) $(LIB_DEFS) -I$(ZYDIS)/src -DNDEBUG

# SQLite in one file, by its own makefile. The parser is made without the statements that dom0 does not use: they are in
# no options' file, since the programs that make the parser get them too. SQLITE_OMIT_FLOATING_POINT makes an integer of
# every `double`; the script makes integers of the numbers with a point as well, and of the functions that compare and
# print such a number.
SQLITE_OMITTED := $(addprefix -DSQLITE_OMIT_,FLOATING_POINT TRIGGER VIEW VIRTUALTABLE CTE ALTERTABLE ANALYZE EXPLAIN WINDOWFUNC \
    GENERATED_COLUMNS FOREIGN_KEY REINDEX)

$(SQLITE)/sqlite3.c: $(SQLITE)/.fetched guests/lib/sqlite/integers.sed guests/libs.mk
	@rm -rf $(SQLITE)/made && mkdir $(SQLITE)/made
	@$(MAKE) -s -C $(SQLITE)/made -f ../main.mk TOP=.. BCC=$(HOSTCC) NAWK=awk AWK=awk OPTS="$(SQLITE_OMITTED)" sqlite3.c sqlite3.h \
	    >$(SQLITE)/made.log 2>&1 || { tail -n 20 $(SQLITE)/made.log; exit 1; }
	@cp $(SQLITE)/made/sqlite3.h $(SQLITE)/sqlite3.h
	@sed -f guests/lib/sqlite/integers.sed $(SQLITE)/made/sqlite3.c >$@

LIB_sqlite_VERSION := sqlite3-$(SQLITE_VERSION)
LIB_sqlite_SOURCES := sqlite3.c
LIB_sqlite_DEFS := $(SQLITE_OMITTED) -D_HAVE_SQLITE_CONFIG_H -Iguests/lib/sqlite
# Nothing here is in a hurry: the smaller code.
LIB_sqlite_FLAGS := $(LIB_lwip_FLAGS) $(LIB_sqlite_DEFS) -Os

# Decompression alone, of streams without gzip's header.
LIB_zlib_VERSION := zlib-$(ZLIB_VERSION)
LIB_zlib_SOURCES := adler32.c crc32.c inffast.c inflate.c inftrees.c zutil.c
LIB_zlib_FLAGS := $(LIB_lwip_FLAGS) -DNO_GZIP

# Decompression alone, of the present format, in C.
LIB_zstd_VERSION := libzstd-$(ZSTD_VERSION)
LIB_zstd_SOURCES := $(addprefix lib/,$(addprefix common/,entropy_common.c error_private.c fse_decompress.c xxhash.c zstd_common.c) \
    $(addprefix decompress/,huf_decompress.c zstd_ddict.c zstd_decompress.c zstd_decompress_block.c))
LIB_zstd_DEFS := -DZSTD_DISABLE_ASM=1 -DDYNAMIC_BMI2=0 -DZSTD_LEGACY_SUPPORT=0 -DZSTD_STRIP_ERROR_STRINGS=1 -DZSTD_NO_INTRINSICS
LIB_zstd_FLAGS := $(LIB_lwip_FLAGS) $(LIB_zstd_DEFS)

# library NAME: the archive and its objects.
define library
LIB_$(1)_OBJECTS := $$(patsubst %,$$(LIBS)/obj/$$(LIB_$(1)_VERSION)/%.o,$$(basename $$(LIB_$(1)_SOURCES)))
$$(LIB_$(1)_OBJECTS): LIB_FLAGS = $$(LIB_$(1)_FLAGS)
$$(LIBS)/lib$(1).a: $$(LIB_$(1)_OBJECTS)
	@echo "  AR      $$@"
	@rm -f $$@
	@$$(AR) rcsD $$@ $$^
endef
$(foreach l,picolibc lwip expat zydis mbedtls sqlite zlib zstd,$(eval $(call library,$(l))))

$(LIB_lwip_OBJECTS): guests/lib/lwip/lwipopts.h guests/lib/lwip/arch/cc.h
$(LIB_expat_OBJECTS): guests/lib/expat/expat_config.h
$(LIB_mbedtls_OBJECTS): guests/lib/mbedtls/config.h
$(LIB_sqlite_OBJECTS): guests/lib/sqlite/sqlite_cfg.h $(SQLITE)/sqlite3.c
$(LIB_picolibc_OBJECTS): guests/lib/picolibc/picolibc.h

# The sources appear while make runs, so they are no prerequisites.
$(LIBS)/obj/%.o: $(LIB_HEADERS)
	@mkdir -p $(@D)
	@$(LIB_CC) $(LIB_CFLAGS) $(LIB_FLAGS) $(LIB_EXTRA) -c -o $@ $(or $(wildcard build/src/$*.S),build/src/$*.c)

.PHONY: libs
libs: $(LIB_FILES)
