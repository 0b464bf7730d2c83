-- The database of the simulated Sở Tài chính, as it might have grown: Vietnamese names without accents, units only in
-- comments, no foreign keys. Safe to run again.
create schema if not exists dautu;

create table if not exists dautu.thong_tin (
    thong_bao text not null,
    quy_mo text not null,
    ky int not null
);
comment on table dautu.thong_tin is 'DỮ LIỆU MÔ PHỎNG: mọi dòng trong schema này do máy sinh ra, không có dự án hay người thật';

create table if not exists dautu.fdi_duan (
    id bigint primary key,
    ten text,
    soqd_capphep text,
    maso_duan text,
    ngay_quyetdinh_capphep date,
    vondautu_dangky numeric(20, 0),
    vontuongduong_usd numeric(18, 2),
    tongmuc_dautu numeric(20, 0),
    nguonvon text,
    nganh_cap1 text,
    linhvuc_sanxuatkinhdoanh text,
    noidung_sanxuat_kinhdoanh text,
    quymo_congsuat text,
    ngay_hetphep_hoatdong date,
    trangthai text,
    loaihinh_duan text,
    doanhnghiep text,
    khu_chuyennganh text,
    quocgia_ma text,
    quocgia_ten text,
    ma_phuongxa text,
    nguoi_daidien text,
    so_hochieu text,
    updated_at timestamptz not null
);
comment on table dautu.fdi_duan is 'Dự án có vốn đầu tư nước ngoài (dữ liệu mô phỏng)';
comment on column dautu.fdi_duan.vondautu_dangky is 'Vốn đăng ký, triệu đồng';
comment on column dautu.fdi_duan.vontuongduong_usd is 'Vốn đăng ký hiện hành sau các lần điều chỉnh, USD';
comment on column dautu.fdi_duan.tongmuc_dautu is 'Triệu đồng';
comment on column dautu.fdi_duan.nganh_cap1 is 'Ngành cấp 1 theo Quyết định 27/2018/QĐ-TTg';
comment on column dautu.fdi_duan.quocgia_ma is 'ISO 3166-1 alpha-2';
create index if not exists fdi_duan_updated_at on dautu.fdi_duan (updated_at);

create table if not exists dautu.fdi_dieuchinh (
    id bigint primary key,
    maso_duan text,
    lan_thu int,
    ngay_dieuchinh date,
    loai_dieuchinh text,
    von_thaydoi_usd numeric(18, 2),
    updated_at timestamptz not null
);
comment on table dautu.fdi_dieuchinh is 'Các lần điều chỉnh vốn đăng ký (dữ liệu mô phỏng)';
comment on column dautu.fdi_dieuchinh.von_thaydoi_usd is 'USD; âm là giảm vốn';
create index if not exists fdi_dieuchinh_updated_at on dautu.fdi_dieuchinh (updated_at);

create table if not exists dautu.fdi_gopvon (
    id bigint primary key,
    so_thongbao text,
    ngay_thongbao date,
    doanhnghiep text,
    nganh_cap1 text,
    quocgia_ma text,
    quocgia_ten text,
    giatri_trieu_usd numeric(14, 6),
    tyle_sohuu numeric(5, 2),
    ma_phuongxa text,
    updated_at timestamptz not null
);
comment on table dautu.fdi_gopvon is 'Góp vốn, mua cổ phần, mua phần vốn góp của nhà đầu tư nước ngoài (dữ liệu mô phỏng)';
comment on column dautu.fdi_gopvon.tyle_sohuu is 'Tỷ lệ sở hữu sau giao dịch, %';
create index if not exists fdi_gopvon_updated_at on dautu.fdi_gopvon (updated_at);

create table if not exists dautu.dtc_duan (
    id bigint primary key,
    ma_duan text,
    ten_duan text,
    chu_dautu text,
    nhom text,
    tongmuc_dautu bigint,
    nam_khoicong int,
    nam_hoanthanh int,
    ma_phuongxa text,
    updated_at timestamptz not null
);
comment on table dautu.dtc_duan is 'Dự án đầu tư công (dữ liệu mô phỏng)';
comment on column dautu.dtc_duan.ma_duan is 'Mã dự án đầu tư của Kho bạc (TABMIS), 7 chữ số';
comment on column dautu.dtc_duan.tongmuc_dautu is 'Triệu đồng';
create index if not exists dtc_duan_updated_at on dautu.dtc_duan (updated_at);

create table if not exists dautu.dtc_kehoach (
    id bigint primary key,
    ma_duan text,
    nam_kehoach int,
    nguon_ngansach text,
    kehoach_ttg_giao bigint,
    kehoach_tp_phanbo bigint,
    updated_at timestamptz not null
);
comment on table dautu.dtc_kehoach is 'Kế hoạch vốn theo năm ngân sách (dữ liệu mô phỏng)';
comment on column dautu.dtc_kehoach.nguon_ngansach is 'NSTW: ngân sách trung ương; NSĐP: ngân sách địa phương';
comment on column dautu.dtc_kehoach.kehoach_ttg_giao is 'Kế hoạch Thủ tướng Chính phủ giao, triệu đồng';
comment on column dautu.dtc_kehoach.kehoach_tp_phanbo is 'Kế hoạch Thành phố phân bổ, triệu đồng';
create index if not exists dtc_kehoach_updated_at on dautu.dtc_kehoach (updated_at);

create table if not exists dautu.dtc_giaingan (
    id bigint primary key,
    ma_duan text,
    nam_kehoach int,
    thang_baocao date,
    luyke_giaingan bigint,
    luyke_nstw bigint,
    luyke_nsdp bigint,
    updated_at timestamptz not null
);
comment on table dautu.dtc_giaingan is 'Giải ngân lũy kế theo tháng, đến 31 tháng 1 năm sau (dữ liệu mô phỏng)';
comment on column dautu.dtc_giaingan.thang_baocao is 'Ngày đầu của tháng báo cáo';
comment on column dautu.dtc_giaingan.luyke_giaingan is 'Lũy kế từ đầu năm ngân sách, triệu đồng';
create index if not exists dtc_giaingan_updated_at on dautu.dtc_giaingan (updated_at);
